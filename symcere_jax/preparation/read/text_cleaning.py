"""Cleaning of review texts: HTML, wrong encodings, control characters, length.

A regular expression finds the texts of a block that have something to clean. Only those are handled
one by one, so clean English costs next to nothing.
"""

import html
import re
from collections import Counter

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.preparation.settings import CleaningSettings

# A tag starts with a letter: "<3" and "a < b" are none.
_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.DOTALL)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_WORD = re.compile(r"[^ \t\n\r\x0b\x0c]+")

_MARKUP_CHARACTERS = r"<&"
_CONTROL_CHARACTERS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_NON_ASCII = r"\x{80}-\x{10ffff}"


class TextCleaner:
    """Cleans texts block by block.

    Args:
        settings: what to clean.
        counts: gets, for each kind of change, the number of texts that it changed.
    """

    def __init__(self, settings: CleaningSettings, counts: Counter[str]) -> None:
        self._settings = settings
        self.counts = counts
        characters = ""
        if settings.clean_html:
            self.counts["HTML taken out"] = 0
            characters += _MARKUP_CHARACTERS
        if settings.fix_mojibake:
            self.counts["wrong encoding mended"] = 0
            characters += _NON_ASCII
        if settings.drop_control:
            self.counts["control characters taken out"] = 0
            characters += _CONTROL_CHARACTERS + _NON_ASCII
        if settings.max_words:
            self.counts["cut to --max_words"] = 0
        self._pattern = f"[{characters}]" if characters else None

    def clean(self, texts: pa.Array) -> pa.Array:
        """Cleans texts, large_string `[n]` without null."""
        touched = pa.array(np.zeros(len(texts), bool))
        if self._pattern:
            touched = pc.match_substring_regex(texts, self._pattern)
        if self._settings.max_words:
            touched = pc.or_(touched, pa.array(word_counts(texts) > self._settings.max_words))
        changed = [self._clean_text(text) for text in texts.filter(touched).to_pylist()]
        return pc.replace_with_mask(texts, touched, pa.array(changed, pa.large_string()))

    def _clean_text(self, text: str) -> str:
        settings = self._settings
        if settings.clean_html:
            new = html.unescape(_TAG.sub(" ", text)) if "<" in text or "&" in text else text
            text = self._counted("HTML taken out", text, new)
        if settings.fix_mojibake and not text.isascii():
            text = self._counted("wrong encoding mended", text, ftfy.fix_encoding(text))
        if settings.drop_control:
            text = self._counted("control characters taken out", text, _CONTROL.sub("", text))
        if settings.max_words:
            words = _WORD.finditer(text)
            limit = settings.max_words
            ends = [word.end() for word, _ in zip(words, range(limit + 1), strict=False)]
            if len(ends) > limit:
                text = self._counted("cut to --max_words", text, text[: ends[-2]])
        return text

    def _counted(self, kind: str, old: str, new: str) -> str:
        self.counts[kind] += new != old
        return new


def word_counts(texts: pa.Array) -> np.ndarray:
    """Number of words of each text, int64 `[n]`, split at ASCII white space."""
    trimmed = pc.ascii_trim_whitespace(texts)
    n_parts = pc.list_value_length(pc.ascii_split_whitespace(trimmed)).to_numpy()
    return n_parts - pc.equal(trimmed, "").to_numpy(zero_copy_only=False)
