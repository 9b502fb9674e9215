import html
import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.preparation.read.text_cleaning import clean_texts, word_counts


def clean(texts):
    """The cleaned texts, and how many were changed."""
    counts = Counter()
    return clean_texts(pa.array(texts, pa.large_string()), counts).to_pylist(), counts


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("one<br />two", "one two"),
        ("R&amp;D &#34;x&#34;", 'R&D "x"'),
        ("I <3 it, a < b & c > d", "I <3 it, a < b & c > d"),
        ("<!-- gone\n --><b>bold</b>", "  bold "),
        ("&lt;b&gt; is a tag", "<b> is a tag"),
        ("", ""),
    ],
)
def test_html(raw, expected):
    cleaned, counts = clean([raw, "other"])
    assert cleaned == [expected, "other"]
    assert counts["HTML removed"] == (raw != expected)


def test_a_wrong_encoding_is_repaired_and_other_text_is_not_touched():
    texts = ["schÃ¶n", "schön", "東京のホテル", "it’s", "plain"]
    cleaned, counts = clean(texts)
    assert cleaned == ["schön", *texts[1:]]
    assert counts.total() == counts["wrong encoding repaired"] == 1


def test_control_characters():
    texts = ["a\x00b\x1b", "tab\tline\n", "c1\x90x", "é", "\x7f"]
    cleaned, counts = clean(texts)
    assert cleaned == ["ab", "tab\tline\n", "c1x", "é", ""]
    assert counts.total() == counts["control characters removed"] == 3


TEXTS = st.lists(
    st.text(
        st.one_of(
            st.sampled_from(" \t\n\x0b<>&;/abé\x00\x85é"), st.characters(exclude_categories=["Cs"])
        ),
        max_size=30,
    ),
    max_size=8,
)


@given(TEXTS)
def test_words_are_what_lies_between_ascii_white_space(texts):
    expected = [len(re.findall(r"[^ \t\n\r\x0b\x0c]+", text)) for text in texts]
    array = pa.array(["before", *texts], pa.large_string())
    assert word_counts(array).tolist() == [1, *expected]
    assert word_counts(array[1:]).tolist() == expected  # a slice shares its buffers


@given(TEXTS)
def test_a_block_is_cleaned_as_each_text_alone(texts):
    whole, counts = clean(texts)
    alone = [clean([text]) for text in texts]
    assert whole == [text for (text,), _ in alone]
    assert counts == sum((c for _, c in alone), Counter())
    plain = [text for text in texts if "<" not in text and text.isascii() and text.isprintable()]
    assert clean(plain)[0] == [html.unescape(text) for text in plain]
