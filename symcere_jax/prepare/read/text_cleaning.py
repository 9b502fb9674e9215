"""Cleaning of review texts: HTML, wrong encodings, control characters, length.

A block of texts is looked through as one array of bytes, which tells what each text has. Only those
that have something are touched one by one, so clean English costs next to nothing.
"""

import html
import re
from collections import Counter

import ftfy
import numpy as np
import pyarrow as pa

from symcere_jax.prepare.settings import PrepareSettings

_MARKUP, _CONTROL, _NON_ASCII, _SPACE = 1, 2, 4, 8
_CLASSES = np.zeros(256, np.uint8)
_CLASSES[[ord("<"), ord("&")]] = _MARKUP
_CLASSES[:32] = _CLASSES[127] = _CONTROL
_CLASSES[[ord(space) for space in "\t\n\r"]] = _SPACE
_CLASSES[[ord(space) for space in "\x0b\x0c"]] = _SPACE | _CONTROL
_CLASSES[ord(" ")] = _SPACE
_CLASSES[128:] = _NON_ASCII

# A tag starts with a letter: "<3" and "a < b" are none.
_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.DOTALL)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_WORD = re.compile(r"[^ \t\n\r\x0b\x0c]+")


class TextCleaner:
    """Cleans texts block by block, and counts what it changes.

    Attributes:
        counts: kind of change -> number of texts.
    """

    def __init__(self, config: PrepareSettings) -> None:
        self._config = config
        self.counts: Counter[str] = Counter()
        if config.clean_html:
            self.counts["HTML taken out"] = 0
        if config.fix_mojibake:
            self.counts["wrong encoding mended"] = 0
        if config.drop_control:
            self.counts["control characters taken out"] = 0
        if config.max_words:
            self.counts["cut to --max_words"] = 0

    def clean(self, texts: pa.Array) -> pa.Array:
        """The texts, cleaned.

        Args:
            texts: large_string `[n]`, without null.
        """
        classes, offsets = _scan(texts)
        config = self._config
        touched = np.zeros(len(texts), bool)
        if config.clean_html:
            touched |= _has(classes, offsets, _MARKUP)
        if config.drop_control or config.fix_mojibake:
            touched |= _has(classes, offsets, _NON_ASCII)
        if config.drop_control:
            touched |= _has(classes, offsets, _CONTROL)
        if config.max_words:
            touched |= _count_words(classes, offsets) > config.max_words
        if not touched.any():
            return texts
        old = texts.filter(pa.array(touched)).to_pylist()
        new = pa.array([self._clean_one(text) for text in old], pa.large_string())
        places = np.arange(len(texts))
        places[touched] = len(texts) + np.arange(len(new))
        return pa.concat_arrays([texts, new]).take(pa.array(places))

    def _clean_one(self, text: str) -> str:
        config = self._config
        if config.clean_html:
            new = html.unescape(_TAG.sub(" ", text)) if "<" in text or "&" in text else text
            text = self._counted("HTML taken out", text, new)
        if config.fix_mojibake and not text.isascii():
            text = self._counted("wrong encoding mended", text, ftfy.fix_encoding(text))
        if config.drop_control:
            text = self._counted("control characters taken out", text, _CONTROLS.sub("", text))
        if config.max_words:
            words = _WORD.finditer(text)
            ends = [word.end() for word, _ in zip(words, range(config.max_words + 1), strict=False)]
            if len(ends) > config.max_words:
                text = self._counted("cut to --max_words", text, text[: ends[-2]])
        return text

    def _counted(self, kind: str, old: str, new: str) -> str:
        self.counts[kind] += new != old
        return new


def word_counts(texts: pa.Array) -> np.ndarray:
    """Number of words of each text, split at ASCII white space.

    Args:
        texts: large_string `[n]`, without null.

    Returns:
        int64 `[n]`.
    """
    return _count_words(*_scan(texts))


def _scan(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Classes of all bytes, uint8 `[n_bytes]`, and where each text begins, int64 `[n + 1]`."""
    _, offsets_buffer, data = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if not len(offsets):
        offsets = np.zeros(1, np.int64)
    content = np.frombuffer(data if data is not None else b"", np.uint8)
    return _CLASSES[content[offsets[0] : offsets[-1]]], offsets - offsets[0]


def _has(classes: np.ndarray, offsets: np.ndarray, kind: int) -> np.ndarray:
    found = np.flatnonzero(classes & kind)
    return np.diff(np.searchsorted(found, offsets)) > 0


def _count_words(classes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    is_word = (classes & _SPACE) == 0
    starts = is_word.copy()
    starts[1:] &= ~is_word[:-1]
    first = offsets[:-1][offsets[:-1] < offsets[1:]]
    starts[first] = is_word[first]
    return np.diff(np.searchsorted(np.flatnonzero(starts), offsets))
