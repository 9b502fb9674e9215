"""Text kNN: items with similar training reviews."""

import dataclasses
from typing import ClassVar

import numpy as np
import pyarrow.compute as pc

from symcere_jax.arrays import unit_rows
from symcere_jax.baselines.base import Baseline, Scorer, text_features
from symcere_jax.baselines.neighbors import fit_similar_items
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError


@dataclasses.dataclass(frozen=True)
class EncoderKnn(Baseline):
    """Text kNN by the cosine of features of the folder's first text encoder, LSA by default."""

    title = "text kNN, text encoder"
    space: ClassVar = {"k": (5, 10, 20, 50, 100, 200, 500), "amplification": (0.5, 1.0, 2.0, 4.0)}
    k: int = 50  # neighbors of each item
    amplification: float = 1.0  # power of the similarities; above 1, near neighbors outvote many

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        return self.fit_features(dataset, text_features(dataset, "items"))

    def fit_features(self, dataset: ReviewDataset, features: np.ndarray) -> Scorer:
        """Finds neighbors by the cosine of given item features, float `[n_items, width]`."""
        unit = unit_rows(features)
        return fit_similar_items(
            dataset, lambda rows: unit[rows] @ unit.T, self.k, self.amplification
        )


@dataclasses.dataclass(frozen=True)
class TfidfKnn(EncoderKnn):
    """Text kNN by the TF-IDF of item documents, an item's training reviews joined."""

    title = "text kNN, TF-IDF"
    space: ClassVar = {**EncoderKnn.space, "words": (1, 2), "max_item_share": (0.1, 0.5)}
    words: int = 2  # longest sequence of words that counts as a term
    max_item_share: float = 0.5  # a term in a larger share of the items is left out

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        from sklearn.feature_extraction.text import TfidfVectorizer  # slow to import

        vectorizer = TfidfVectorizer(
            sublinear_tf=True,
            ngram_range=(1, self.words),
            stop_words="english",
            min_df=2,
            max_df=self.max_item_share,
            dtype=np.float32,
        )
        try:
            terms = vectorizer.fit_transform(item_documents(dataset))
        except ValueError as error:
            raise DataError(
                f"{dataset.folder}: the training reviews share no words for TF-IDF ({error}); "
                "leave this method out"
            ) from None
        by_term = terms.T.tocsr()
        return fit_similar_items(
            dataset, lambda rows: (terms[rows] @ by_term).toarray(), self.k, self.amplification
        )


def item_documents(dataset: ReviewDataset) -> list[str]:
    """The training reviews of each item, joined, `n_items` of them."""
    reviews = dataset.reviews(["item", "split", "text"])
    reviews = reviews.filter(pc.equal(reviews["split"], "train"))
    parts: list[list[str]] = [[] for _ in range(dataset.n_items)]
    for item, text in zip(reviews["item"].to_pylist(), reviews["text"].to_pylist(), strict=True):
        parts[item].append(text)
    return [" ".join(part) for part in parts]
