"""Latent semantic analysis of review texts: TF-IDF of words and word pairs, then truncated SVD.

The documents that it is fitted on are items: all training reviews of an item, joined. What sets
items apart (a city, a brand, a part number) then gets the weight, rather than what sets single
reviews apart (their length and mood); on hotel reviews this ranks a fifth better than a fit on
single reviews.

Texts are gone through in batches, so they may lie on disk. Memory holds the vocabulary, the weights
of the item documents, about four arrays of `n_terms × width` floats, and the features of users and
items; the features of reviews go to disk where a scratch folder is given.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.utils.extmath import randomized_svd

from symcere_jax.errors import DataError
from symcere_jax.text.encoder import Progress, Reviews, TextFeatures
from symcere_jax.text.vocabulary import Vocabulary, count_terms

_BATCH_CHARACTERS = 1 << 23


@dataclasses.dataclass(frozen=True)
class LsaEncoder:
    """TF-IDF over item documents, reduced by truncated SVD; fitted on training reviews only.

    Attributes:
        width: dimensions kept; fewer where the data has fewer items or terms.
        min_items: a term must occur in the documents of that many items.
        max_item_share: a term in a larger share of the documents is left out.
        max_terms: the most frequent terms kept, which bounds memory.
        seed: of the randomised SVD.
        scratch: folder for the features of reviews, which are then mapped; None: in memory.
    """

    width: int = 256
    min_items: int = 2
    max_item_share: float = 0.5
    max_terms: int = 500_000
    seed: int = 0
    scratch: Path | None = None

    name = "lsa"

    def encode(self, reviews: Reviews, *, progress: Progress | None = None) -> TextFeatures:
        """Fits on the training reviews and encodes all reviews, users and items.

        Args:
            reviews: texts, their users, items and splits.
            progress: called with a few words at the start of each stage.

        Returns:
            Features whose width is min(`width`, n_items − 1, n_terms − 1).

        Raises:
            DataError: the training reviews share no words to build features from.
        """
        say = progress or (lambda stage: None)
        say("counting words of items")
        vectorizer = self._vectorizer(reviews)
        n_terms = len(vectorizer.vocabulary_)
        width = min(self.width, min(reviews.n_items, n_terms) - 1)
        if width < 1:
            raise DataError(
                f"text features need two items and two terms, the training reviews have "
                f"{reviews.n_items} and {n_terms}; prepare with --text_encoder=none"
            )
        say("weighting words of items")
        items = _documents(reviews, reviews.item, reviews.n_items)
        item_terms = scipy.sparse.vstack(
            [vectorizer.transform(batch) for batch in items], format="csr"
        )
        say(f"reducing {n_terms:,} terms to {width} dimensions")
        _, _, components = randomized_svd(item_terms, width, random_state=self.seed)
        basis = np.ascontiguousarray(components.T, dtype=np.float32)
        del components
        item_features = item_terms @ basis
        del item_terms
        say("encoding users")
        users = _documents(reviews, reviews.user, reviews.n_users)
        user_features = np.zeros((reviews.n_users, width), np.float32)
        _transform(vectorizer, users, basis, user_features)
        say("encoding reviews")
        review_features = self._empty((len(reviews.texts), width))
        _transform(vectorizer, _batches(iter(reviews.texts)), basis, review_features)
        settings = dataclasses.asdict(self) | {"n_terms": n_terms}
        del settings["scratch"]
        return TextFeatures(review_features, user_features, item_features, settings)

    def _vectorizer(self, reviews: Reviews) -> TfidfVectorizer:
        """A vectoriser fitted on the item documents."""
        analysis: dict[str, Any] = {"ngram_range": (1, 2), "stop_words": "english"}
        try:
            vocabulary = count_terms(
                _documents(reviews, reviews.item, reviews.n_items),
                CountVectorizer(**analysis),
                min_documents=self.min_items,
                max_document_share=self.max_item_share,
                max_terms=self.max_terms,
            )
        except ValueError as error:
            raise DataError(
                f"no text features can be made of {reviews.is_train.sum()} training reviews "
                f"({error}); prepare with --text_encoder=none"
            ) from None
        vectorizer = TfidfVectorizer(
            **analysis, vocabulary=vocabulary.terms, sublinear_tf=True, dtype=np.float32
        )
        vectorizer.idf_ = _inverse_document_frequency(vocabulary)
        return vectorizer

    def _empty(self, shape: tuple[int, int]) -> np.ndarray:
        if self.scratch is None:
            return np.empty(shape, np.float32)
        path = self.scratch / "review_features.npy"
        return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


def _inverse_document_frequency(vocabulary: Vocabulary) -> np.ndarray:
    """`log((1 + n) / (1 + n_t)) + 1`, float32 `[n_terms]`."""
    n_with_term = vocabulary.document_counts.astype(np.float32) + np.float32(1)
    return np.log(np.float32(1 + vocabulary.n_documents) / n_with_term) + np.float32(1)


def _documents(reviews: Reviews, owner: np.ndarray, n: int) -> Iterator[list[str]]:
    """Yields batches of documents, for each of the n users or items its training texts joined."""
    train = np.flatnonzero(reviews.is_train)
    train = train[np.argsort(owner[train], kind="stable")]
    ends = np.cumsum(np.bincount(owner[train], minlength=n))
    starts = np.concatenate([[0], ends[:-1]])
    return _batches(
        " ".join(reviews.texts[row] for row in train[start:end].tolist())
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )


def _batches(documents: Iterator[str]) -> Iterator[list[str]]:
    """Gathers documents to lists of some megabytes each."""
    batch: list[str] = []
    n_characters = 0
    for document in documents:
        batch.append(document)
        n_characters += len(document)
        if n_characters >= _BATCH_CHARACTERS:
            yield batch
            batch, n_characters = [], 0
    if batch:
        yield batch


def _transform(
    vectorizer: TfidfVectorizer,
    batches: Iterator[list[str]],
    basis: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fills `out`, `[n_documents, width]`, with the features of documents."""
    start = 0
    for batch in batches:
        out[start : start + len(batch)] = vectorizer.transform(batch) @ basis
        start += len(batch)
