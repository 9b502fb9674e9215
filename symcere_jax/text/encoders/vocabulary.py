"""Which terms of a stream of documents to keep, counted in bounded memory.

A term is a word, or two words that follow each other. As a number, its *key*, the word w is w, and
the words v w are `(v + 1) · 2³² + w`.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from symcere_jax.text.encoders.words import WordBatch

# While counting, that many times as many terms are held as are wanted in the end.
SLACK = 8
_LEAST_PENDING = 1 << 20
_SHIFT = 32


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Terms and in how many documents each occurs.

    Attributes:
        terms: `[n_terms]`, sorted.
        document_counts: int64 `[n_terms]`, documents that hold the term.
        n_documents: number of all documents.
        keys: int64 `[n_terms]`, the keys, sorted.
        columns: int64 `[n_terms]`, for each of `keys` its place in `terms`.
    """

    terms: list[str]
    document_counts: np.ndarray
    n_documents: int
    keys: np.ndarray
    columns: np.ndarray


def term_counts(batch: WordBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often each term occurs in each document.

    Args:
        batch: words and ends of documents; no term holds a word that is unknown.

    Returns:
        Keys int64, documents int64 and counts int64, each `[n]`: sorted by key, then document.
    """
    words, ends = batch
    document = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    is_known = words >= 0
    is_pair = is_known[:-1] & is_known[1:] & (document[:-1] == document[1:])
    words = words.astype(np.int64)
    pairs = ((words[:-1] + 1) << _SHIFT) | words[1:]
    keys = np.concatenate([words[is_known], pairs[is_pair]])
    document = np.concatenate([document[is_known], document[:-1][is_pair]])
    order = np.argsort(keys, kind="stable")  # documents of a key stay in order
    keys, document = keys[order], document[order]
    starts = np.flatnonzero((np.diff(keys, prepend=-1) != 0) | (np.diff(document, prepend=-1) != 0))
    return keys[starts], document[starts], np.diff(starts, append=len(keys))


def count_terms(
    batches: Iterable[WordBatch],
    names: Mapping[int, str],
    *,
    min_documents: int,
    max_document_share: float,
    max_terms: int,
) -> Vocabulary:
    """Counts terms batch by batch and keeps the most frequent ones.

    When there are more than 8 · `max_terms` different terms, those that occur least often so far
    are forgotten, half of them all (lossy counting, Manku and Motwani, VLDB 2002). With fewer, the
    result is exactly what counting all at once gives; of equally frequent terms, the first by name
    are kept.

    Args:
        batches: words of whole documents.
        names: number -> word; a term with a word that has no name is left out.
        min_documents: a term must occur in that many documents.
        max_document_share: a term in a larger share of the documents is left out.
        max_terms: terms kept, the most frequent.

    Raises:
        ValueError: no document holds a term, or none is in the right number of documents.
    """
    counts = _Counts(SLACK * max_terms)
    n_documents = 0
    for batch in batches:
        n_documents += len(batch[1])
        counts.add(*term_counts(batch))
    counts.merge()
    if not len(counts.keys):
        raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
    in_documents = counts.in_documents
    fits = (in_documents >= min_documents) & (in_documents <= max_document_share * n_documents)
    named = np.zeros(1 + max(names, default=-1), bool)
    named[list(names)] = True
    second = counts.keys & ((1 << _SHIFT) - 1)
    first = (counts.keys >> _SHIFT) - 1
    fits &= _are_named(second, named) & ((first < 0) | _are_named(first, named))
    places = np.flatnonzero(fits)
    if not len(places):
        raise ValueError("no term occurs in enough documents and not in too many")

    def name(place: int) -> str:
        word, before = names[int(second[place])], int(first[place])
        return word if before < 0 else f"{names[before]} {word}"

    if len(places) > max_terms:
        occurrences = counts.occurrences[places]
        least = np.partition(occurrences, len(places) - max_terms)[len(places) - max_terms]
        tied = sorted(places[occurrences == least].tolist(), key=name)
        above = places[occurrences > least]
        places = np.sort(np.concatenate([above, tied[: max_terms - len(above)]]).astype(np.int64))
    terms = [name(place) for place in places.tolist()]
    order = sorted(range(len(terms)), key=terms.__getitem__)
    columns = np.empty(len(terms), np.int64)
    columns[order] = np.arange(len(terms))
    return Vocabulary(
        terms=[terms[place] for place in order],
        document_counts=in_documents[places][order],
        n_documents=n_documents,
        keys=counts.keys[places],
        columns=columns,
    )


class _Counts:
    """In how many documents, and how often, each of the most frequent terms occurs."""

    def __init__(self, max_terms: int) -> None:
        self._max_terms = max_terms
        self._pending: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._n_pending = 0
        self.keys, self.occurrences, self.in_documents = (np.zeros(0, np.int64) for _ in range(3))

    def add(self, keys: np.ndarray, document: np.ndarray, n: np.ndarray) -> None:
        del document  # each row is one document with the term
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        in_documents = np.diff(starts, append=len(keys))
        occurrences = np.add.reduceat(n, starts) if len(keys) else n
        self._pending.append((keys[starts], occurrences, in_documents))
        self._n_pending += len(starts)
        if self._n_pending > max(_LEAST_PENDING, len(self.keys) // 2):
            self.merge()

    def merge(self) -> None:
        """Adds what is pending to the counts; forgets the rarest terms where these are too many."""
        self._pending.append((self.keys, self.occurrences, self.in_documents))
        keys, occurrences, in_documents = (
            np.concatenate(parts) for parts in zip(*self._pending, strict=True)
        )
        self._pending, self._n_pending = [], 0
        if not len(keys):
            return
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        self.keys = keys[starts]
        self.occurrences = np.add.reduceat(occurrences[order], starts)
        self.in_documents = np.add.reduceat(in_documents[order], starts)
        if len(starts) > self._max_terms:
            # The same order as that of the final choice.
            order = np.lexsort((self.in_documents, self.occurrences))
            kept = np.sort(order[-(self._max_terms // 2) :])
            self.keys, self.occurrences = self.keys[kept], self.occurrences[kept]
            self.in_documents = self.in_documents[kept]


def words_of_terms(keys: np.ndarray) -> np.ndarray:
    """The words that occur in terms, int64, sorted.

    Args:
        keys: int64 `[n_terms]`.
    """
    first = (keys >> _SHIFT) - 1
    return np.union1d(first[first >= 0], keys & ((1 << _SHIFT) - 1))


def _are_named(words: np.ndarray, named: np.ndarray) -> np.ndarray:
    return (words < len(named)) & named[np.clip(words, 0, len(named) - 1)]
