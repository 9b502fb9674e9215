import html
import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.preparation.read.text_cleaning import TextCleaner, word_counts
from symcere_jax.preparation.settings import CleaningSettings

OFF = {"clean_html": False, "fix_mojibake": False, "drop_control": False}


def clean(texts, **settings):
    """The cleaned texts, and how many were changed."""
    counts = Counter()
    cleaner = TextCleaner(CleaningSettings(**(OFF | settings)), counts)
    return cleaner.clean(pa.array(texts, pa.large_string())).to_pylist(), dict(counts)


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
    cleaned, counts = clean([raw, "other"], clean_html=True)
    assert cleaned == [expected, "other"]
    assert counts == {"HTML taken out": int(raw != expected)}
    assert clean([raw])[0] == [raw]


def test_mojibake_is_mended_and_other_text_is_not_touched():
    texts = ["schÃ¶n", "schön", "東京のホテル", "it’s", "plain"]
    cleaned, counts = clean(texts, fix_mojibake=True)
    assert cleaned == ["schön", *texts[1:]]
    assert counts == {"wrong encoding mended": 1}


def test_control_characters():
    texts = ["a\x00b\x1b", "tab\tline\n", "c1\x85x", "é", "\x7f"]
    cleaned, counts = clean(texts, drop_control=True)
    assert cleaned == ["ab", "tab\tline\n", "c1x", "é", ""]
    assert counts == {"control characters taken out": 3}


def test_at_most_so_many_words():
    texts = ["one  two\tthree four", " one two ", "", "one two three"]
    cleaned, counts = clean(texts, max_words=2)
    assert cleaned == ["one  two", " one two ", "", "one two"]
    assert counts == {"cut to --max_words": 2}


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
    settings = {"clean_html": True, "fix_mojibake": True, "drop_control": True, "max_words": 3}
    whole, counts = clean(texts, **settings)
    alone = [clean([text], **settings) for text in texts]
    assert whole == [text for (text,), _ in alone]
    assert counts == {kind: sum(c[kind] for _, c in alone) for kind in counts}
    tagless = [text for text in texts if "<" not in text]
    assert clean(tagless, clean_html=True)[0] == [html.unescape(text) for text in tagless]
