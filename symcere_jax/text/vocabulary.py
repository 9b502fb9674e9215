"""Which terms of a stream of documents to keep, counted in bounded memory."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer

# While counting, that many times as many terms are held as are wanted in the end.
_SLACK = 8


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Terms and in how many documents each occurs.

    Attributes:
        terms: `[n_terms]`, sorted.
        document_counts: int64 `[n_terms]`, documents that hold the term.
        n_documents: number of all documents.
    """

    terms: list[str]
    document_counts: np.ndarray
    n_documents: int


def count_terms(
    batches: Iterable[list[str]],
    counter: CountVectorizer,
    *,
    min_documents: int,
    max_document_share: float,
    max_terms: int,
) -> Vocabulary:
    """Counts terms batch by batch and keeps the most frequent ones.

    When there are more than 8 · `max_terms` different terms, those in the fewest documents are
    forgotten, half of them all (lossy counting, Manku and Motwani, VLDB 2002). With fewer, the
    result is exactly what counting all at once gives.

    Args:
        batches: the documents, some at a time; each document is whole.
        counter: splits documents into terms.
        min_documents: a term must occur in that many documents.
        max_document_share: a term in a larger share of the documents is left out.
        max_terms: terms kept, the most frequent.

    Raises:
        ValueError: no document holds a term.
    """
    place_of: dict[str, int] = {}
    in_documents = np.zeros(0, np.int64)
    occurrences = np.zeros(0, np.int64)
    n_documents = 0
    for documents in batches:
        n_documents += len(documents)
        try:
            counts = scipy.sparse.csc_matrix(counter.fit_transform(documents))
        except ValueError:  # nothing but stop words
            continue
        terms = counter.get_feature_names_out()
        places = np.array([place_of.setdefault(term, len(place_of)) for term in terms.tolist()])
        n_new = len(place_of) - len(in_documents)
        in_documents = np.concatenate([in_documents, np.zeros(n_new, np.int64)])
        occurrences = np.concatenate([occurrences, np.zeros(n_new, np.int64)])
        in_documents[places] += np.diff(counts.indptr)
        occurrences[places] += np.asarray(counts.sum(axis=0)).ravel().astype(np.int64)
        if len(place_of) > _SLACK * max_terms:
            order = np.lexsort((occurrences, in_documents))[-(_SLACK * max_terms // 2) :]
            kept = np.sort(order)
            names = list(place_of)
            place_of = {names[place]: row for row, place in enumerate(kept.tolist())}
            in_documents, occurrences = in_documents[kept], occurrences[kept]
    if not place_of:
        raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
    fits = (in_documents >= min_documents) & (in_documents <= max_document_share * n_documents)
    names = list(place_of)
    chosen = sorted(np.flatnonzero(fits).tolist(), key=names.__getitem__)
    if len(chosen) > max_terms:
        most = np.argsort(-occurrences[chosen], kind="stable")[:max_terms]
        chosen = [chosen[place] for place in np.sort(most).tolist()]
    if not chosen:
        raise ValueError("no term occurs in enough documents and not in too many")
    return Vocabulary([names[place] for place in chosen], in_documents[chosen], n_documents)
