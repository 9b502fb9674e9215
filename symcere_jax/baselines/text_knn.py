"""Text kNN: items whose training reviews say similar things."""

import dataclasses
from typing import ClassVar

import numpy as np
import pyarrow.compute as pc

from symcere_jax.arrays import unit_rows
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.baselines.similar_items import fit_similar_items
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.fields import SettingsBase, setting


@dataclasses.dataclass(frozen=True)
class TextKnnSettings(SettingsBase):
    """Settings of text kNN."""

    k: int = setting(50, "neighbors of each item", minimum=1)
    amplification: float = setting(
        1.0, "power of the similarities; above 1, near neighbors outvote many far ones", above=0
    )

    SPACE: ClassVar[dict[str, tuple]] = {
        "k": (5, 10, 20, 50, 100, 200, 500),
        "amplification": (0.5, 1.0, 2.0, 4.0),
    }


@dataclasses.dataclass(frozen=True)
class TfidfKnnSettings(TextKnnSettings):
    """Settings of text kNN over TF-IDF."""

    words: int = setting(2, "longest sequence of words that counts as a term", minimum=1)
    max_item_share: float = setting(
        0.5, "a term in a larger share of the items is left out", above=0, maximum=1
    )

    SPACE: ClassVar[dict[str, tuple]] = {
        **TextKnnSettings.SPACE,
        "words": (1, 2),
        "max_item_share": (0.1, 0.5),
    }


def fit_tfidf_knn(dataset: ReviewDataset, settings: TfidfKnnSettings, seed: int) -> Scorer:
    """Cosine of the TF-IDF of item documents, an item's training reviews joined.

    Raises:
        DataError: the training reviews share no words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # slow to import

    vectorizer = TfidfVectorizer(
        sublinear_tf=True,
        ngram_range=(1, settings.words),
        stop_words="english",
        min_df=2,
        max_df=settings.max_item_share,
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
        dataset,
        lambda rows: (terms[rows] @ by_term).toarray(),
        settings.k,
        settings.amplification,
    )


def fit_encoder_knn(dataset: ReviewDataset, settings: TextKnnSettings, seed: int) -> Scorer:
    """Cosine of the item features of the prepared folder's first text encoder, LSA by default.

    Raises:
        DataError: the folder has no text features.
    """
    features = dataset.text_features(first_encoder(dataset), "items")
    return fit_feature_knn(dataset, features, settings)


def fit_feature_knn(
    dataset: ReviewDataset, features: np.ndarray, settings: TextKnnSettings
) -> Scorer:
    """Cosine of given item features, float `[n_items, width]`."""
    unit = unit_rows(features)
    return fit_similar_items(
        dataset, lambda rows: unit[rows] @ unit.T, settings.k, settings.amplification
    )


def first_encoder(dataset: ReviewDataset) -> str:
    """Name of the first text encoder that a folder was prepared with.

    Raises:
        DataError: it was prepared without.
    """
    for name in dataset.manifest.text_encoders:
        return name
    raise DataError(
        f"{dataset.folder} has no text features; prepare it with --text_encoder=lsa, "
        "or leave this method out"
    )


def item_documents(dataset: ReviewDataset) -> list[str]:
    """The training reviews of each item, joined, `n_items` of them."""
    reviews = dataset.reviews(["item", "split", "text"])
    reviews = reviews.filter(pc.equal(reviews["split"], "train"))
    parts: list[list[str]] = [[] for _ in range(dataset.n_items)]
    for item, text in zip(reviews["item"].to_pylist(), reviews["text"].to_pylist(), strict=True):
        parts[item].append(text)
    return [" ".join(part) for part in parts]
