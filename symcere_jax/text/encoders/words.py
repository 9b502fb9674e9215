"""Texts as sequences of word numbers: each text is split once, the rest is arithmetic on numbers.

Words are what scikit-learn's vectorisers take for words: two or more letters, digits or underscores
in lower case, without English stop words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path

import numpy as np

UNKNOWN = -1  # a word that the training texts do not have
STOP = -2

_WORD = re.compile(r"\b\w\w+\b")
_BLOCK_TEXTS = 1 << 13
_BATCH_WORDS = 1 << 20

WordBatch = tuple[np.ndarray, np.ndarray]
"""Words of some documents, int32 `[n]`, and where each document ends, int64 `[n_documents]`."""


class WordNumbers:
    """Numbers words in the order in which training texts bring them.

    At most `max_words` different words are known at a time: when there are more, the less frequent
    half is forgotten, and a word of it that comes again counts as a new one (lossy counting, Manku
    and Motwani, VLDB 2002).
    """

    def __init__(self, max_words: int) -> None:
        # Imported late: it takes longer than all else here, and few who import this split texts.
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        self._max_words = max_words
        self._stop_words = self.stop(ENGLISH_STOP_WORDS)
        self._numbers = _Numbers(self._stop_words)
        self._occurrences = np.zeros(0, np.int64)

    def learn(self, texts: Sequence[str]) -> WordBatch:
        """The words of training texts; new ones get a number."""
        found, ends = _split(texts)
        words, ends = _numbered(map(self._numbers.__getitem__, found), ends)
        counts = np.bincount(words, minlength=self._numbers.n_given)
        counts[: len(self._occurrences)] += self._occurrences
        self._occurrences = counts
        if len(self._numbers) - len(self._stop_words) > self._max_words:
            self._forget()
        return words, ends

    def names(self) -> dict[int, str]:
        """Number -> word, for all that are known."""
        return {number: word for word, number in self._numbers.items() if number >= 0}

    @property
    def known(self) -> Mapping[str, int]:
        """Word -> number, for all that are known; stop words have `STOP`."""
        return self._numbers

    @staticmethod
    def stop(words: Iterable[str]) -> dict[str, int]:
        """Words that are left out, as `known` has them."""
        return dict.fromkeys(words, STOP)

    def _forget(self) -> None:
        names = self.names()
        numbers = np.fromiter(names, np.int64, len(names))
        # Of equally frequent words, those that came first stay.
        order = np.lexsort((-numbers, self._occurrences[numbers]))
        for number in numbers[order[: len(order) - self._max_words // 2]].tolist():
            del self._numbers[names[number]]


class _Numbers(dict[str, int]):
    """Gives a word that is not there the next number."""

    n_given = 0

    def __missing__(self, word: str) -> int:
        number = self[word] = self.n_given
        self.n_given += 1
        return number


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, stop words among them, in its order."""
    return _WORD.findall(text.lower())


def split_words(texts: Sequence[str], numbers: Mapping[str, int]) -> WordBatch:
    """Splits texts into words: `UNKNOWN` where a word has no number, none for stop words."""
    found, ends = _split(texts)
    return _numbered(map(numbers.get, found, repeat(UNKNOWN)), ends)


def _split(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    found: list[str] = []
    ends = np.empty(len(texts), np.int64)
    for place, text in enumerate(texts):
        found += words_of(text)
        ends[place] = len(found)
    return found, ends


def _numbered(numbers: Iterator[int], ends: np.ndarray) -> WordBatch:
    """Leaves out stop words, and moves the ends of documents accordingly."""
    words = np.fromiter(numbers, np.int32)
    kept = words != STOP
    n_kept = np.concatenate([[0], np.cumsum(kept)])
    return words[kept], n_kept[ends]


class StoredWords:
    """The words of some texts, one after the other, on disk or in memory.

    Args:
        texts: the texts.
        rows: those of them to store, ascending.
        numbers: learns their words.
        scratch: folder for a file; None: in memory.
    """

    def __init__(
        self, texts: Sequence[str], rows: np.ndarray, numbers: WordNumbers, scratch: Path | None
    ) -> None:
        path = scratch / "words" if scratch else None
        parts: list[np.ndarray] = []
        ends: list[np.ndarray] = []
        n_words = 0
        file = path.open("wb") if path else None
        for start in range(0, len(rows), _BLOCK_TEXTS):
            block = rows[start : start + _BLOCK_TEXTS].tolist()
            words, block_ends = numbers.learn([texts[row] for row in block])
            if file:
                file.write(words.data)
            else:
                parts.append(words)
            ends.append(block_ends + n_words)
            n_words += len(words)
        if file:
            file.close()
        self._ends = np.concatenate([np.zeros(1, np.int64), *ends])
        if path and n_words:
            self._words: np.ndarray = np.memmap(path, np.int32, "r")
        else:
            self._words = np.concatenate([np.zeros(0, np.int32), *parts])

    def documents(self, owner: np.ndarray, n: int) -> Iterator[WordBatch]:
        """Yields batches of n documents, for each user or item its texts joined.

        Args:
            owner: int `[n_texts]`, the user or item of each stored text.
            n: number of users or items.
        """
        order = np.argsort(owner, kind="stable")
        n_of_text = np.diff(self._ends)[order]
        text_ends = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))])
        ends = np.concatenate([[0], np.cumsum(n_of_text)])[text_ends]
        for first, stop in _cut(ends):
            rows = order[text_ends[first] : text_ends[stop]]
            yield self._gather(rows), ends[first + 1 : stop + 1] - ends[first]

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        lengths = self._ends[rows + 1] - self._ends[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(rows) else lengths
        places = np.repeat(self._ends[rows] - starts, lengths) + np.arange(lengths.sum())
        return np.asarray(self._words[places])


def single_documents(texts: Sequence[str], numbers: Mapping[str, int]) -> Iterator[WordBatch]:
    """Yields batches of documents that are a text each."""
    for start in range(0, len(texts), _BLOCK_TEXTS):
        yield split_words(texts[start : start + _BLOCK_TEXTS], numbers)


def _cut(ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cuts documents into batches of `_BATCH_WORDS` words, or of one document that has more."""
    first = 0
    while first < len(ends) - 1:
        stop = int(np.searchsorted(ends, ends[first] + _BATCH_WORDS, side="right")) - 1
        stop = min(max(stop, first + 1), len(ends) - 1)
        yield first, stop
        first = stop
