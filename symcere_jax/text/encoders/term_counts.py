"""Counts of terms (words, and pairs of consecutive words) by their hash.

Hashes need no vocabulary: texts are read once, and memory does not grow with the number of terms.
Of two million terms, one in nine shares its bucket with another. If 500,000 terms are kept, 3 % of
the unknown words are taken for one of them.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import scipy.sparse

N_BUCKETS = 1 << 24

# Scripts that are written without spaces between words: each character counts as a word, so that
# most words of two characters are a pair.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# In the regular expressions of `tokenizers`, \w includes the combining marks that Hindi and other
# languages write vowels with; in Python's, words end there.
_WORD = rf"[{_UNSPACED}]|[\w&&[^{_UNSPACED}]]{{2,}}"
# Here both agree, and Python's is three times as fast: Latin letters, quotes and dashes.
_LATIN_TEXT, _LATIN_WORD = re.compile("[\0-\u024f\u2010-\u2027]*"), re.compile(r"\w{2,}")


def split_words(text: str) -> list[str]:
    """The words of a text, in lower case and NFKC: two or more letters, marks, digits or `_`."""
    text = unicodedata.normalize("NFKC", text).lower()
    if _LATIN_TEXT.fullmatch(text):
        return _LATIN_WORD.findall(text)
    text = text.encode("utf-8", "replace").decode()  # halves of surrogate pairs
    return [word for word, _ in _splitter().pre_tokenize_str(text)]


def split_terms(text: str) -> list[str]:
    """The words of a text without English stop words, then all `"first second"` pairs of these."""
    return _analyzer()(text)


def hash_terms(documents: Iterable[Sequence[str]]) -> scipy.sparse.csr_matrix:
    """Counts of the terms of n documents, float32 `[n, N_BUCKETS]`."""
    # scikit-learn refuses to hash no document at all, so there is an empty one.
    return _hasher().transform(itertools.chain([[]], documents))[1:]


def count_terms(texts: Iterable[str]) -> scipy.sparse.csr_matrix:
    """Counts of the terms of n texts, float32 `[n, N_BUCKETS]`."""
    return hash_terms(map(split_terms, texts))


# scikit-learn and tokenizers are imported late: they take longer than all else that
# `symcere_jax.text` imports, and few programs split texts.


@functools.cache
def _splitter() -> Any:
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)


@functools.cache
def _analyzer() -> Callable[[str], list[str]]:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        tokenizer=split_words,
        token_pattern=None,
        lowercase=False,
        stop_words="english",
        ngram_range=(1, 2),
    ).build_analyzer()


@functools.cache
def _hasher() -> Any:
    import numpy as np
    from sklearn.feature_extraction import FeatureHasher

    return FeatureHasher(N_BUCKETS, input_type="string", alternate_sign=False, dtype=np.float32)
