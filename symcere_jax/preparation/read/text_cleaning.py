"""Cleaning of review texts: HTML, wrong encodings, control characters.

A regular expression finds the texts of a block that may have something to clean. Only those are
handled one by one, so clean English costs next to nothing.
"""

import html
import re
from collections import Counter

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# A tag starts with a letter: "<3" and "a < b" are none.
_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.DOTALL)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SUSPECT = r"[<&\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{80}-\x{10ffff}]"


def clean_texts(texts: pa.Array, counts: Counter[str]) -> pa.Array:
    """Removes HTML and control characters, and repairs texts that were decoded wrongly.

    Args:
        texts: large_string `[n]` without null.
        counts: gets, for each kind of change, the number of texts that it changed.
    """
    touched = pc.match_substring_regex(texts, _SUSPECT)
    changed = [_cleaned(text, counts) for text in texts.filter(touched).to_pylist()]
    return pc.replace_with_mask(texts, touched, pa.array(changed, pa.large_string()))


def _cleaned(text: str, counts: Counter[str]) -> str:
    plain = html.unescape(_TAG.sub(" ", text)) if "<" in text or "&" in text else text
    fixed = plain if plain.isascii() else ftfy.fix_encoding(plain)
    cleaned = _CONTROL.sub("", fixed)
    counts["HTML removed"] += plain != text
    counts["wrong encoding repaired"] += fixed != plain
    counts["control characters removed"] += cleaned != fixed
    return cleaned


def word_counts(texts: pa.Array) -> np.ndarray:
    """Number of words of each text, int64 `[n]`, split at ASCII white space."""
    trimmed = pc.ascii_trim_whitespace(texts)
    n_parts = pc.list_value_length(pc.ascii_split_whitespace(trimmed)).to_numpy()
    return n_parts - pc.equal(trimmed, "").to_numpy(zero_copy_only=False)
