import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from symcere_jax.text.encoders.term_counts import N_BUCKETS, count_terms, split_terms, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Brake-pad, a 2nd x_1 ÉTÉ!", ["the", "brake", "pad", "2nd", "x_1", "été"]),
        ("मुझे हिन्दी अच्छी", ["मुझे", "हिन्दी", "अच्छी"]),  # vowels are combining marks
        ("很好OEM吃", ["很", "好", "oem", "吃"]),
        ("ラーメンは安い", list("ラーメンは安い")),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("ＯＥＭ ｶﾞｽ", ["oem", "ガ", "ス"]),  # full and half width
        ("cafe\u0301", ["café"]),
        ("\ud800 red", ["red"]),
        ("", []),
    ],
)
def test_words_of_many_languages(text, words):
    assert split_words(text) == words


def test_latin_texts_are_split_like_those_with_a_chinese_word():
    for letter in map(chr, [*range(0x250), *range(0x2010, 0x2028)]):
        text = f"a{letter}b {letter}{letter} 11{letter} {letter}x"
        assert [*split_words(text), "好"] == split_words(f"{text} 好")


def test_thai_is_split_into_characters():
    assert "".join(split_words("ผมชอบกิน")) == "ผมชอบกิน"
    assert len(split_words("ผมชอบกิน")) == 8


def test_terms_are_words_and_pairs_without_stop_words():
    assert split_terms("The room of the quiet hotel") == [
        *("room", "quiet", "hotel"),
        *("room quiet", "quiet hotel"),
    ]
    assert split_terms("the of") == []


_WORDS = st.sampled_from(["The", "Brake", "brake,", "a", "ÉTÉ", "x_1", "OF", "red", "lens"])
_TEXTS = st.lists(st.lists(_WORDS, max_size=9).map(" ".join), min_size=1, max_size=6)


@given(texts=_TEXTS)
def test_counts_are_those_of_scikit_learn(texts):
    counts = count_terms(texts)
    assert counts.shape == (len(texts), N_BUCKETS)
    assert counts.dtype == np.float32
    vectorizer = CountVectorizer(stop_words="english", ngram_range=(1, 2))
    try:
        expected = vectorizer.fit_transform(texts).toarray()
    except ValueError:  # no text has a term
        expected = np.zeros((len(texts), 0))
    for row, expected_row in zip(counts, expected, strict=True):
        assert sorted(row.data.tolist()) == sorted(expected_row[expected_row > 0].tolist())
    np.testing.assert_array_equal((counts @ counts.T).toarray(), expected @ expected.T)


def test_importing_the_package_imports_neither_scikit_learn_nor_tokenizers():
    code = (
        "import sys, symcere_jax.text\n"
        "assert not {'sklearn.feature_extraction', 'tokenizers'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
