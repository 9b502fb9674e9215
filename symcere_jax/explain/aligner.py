"""Texts and items in one space: how similar is a review to an item, and by which words?"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import CountCallback
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.explain.lime_words import (
    DEFAULT_LIME,
    LimeSettings,
    ScoreTexts,
    TextExplanation,
    explain_words,
)
from symcere_jax.explain.word_classes import FACTUAL, SENTIMENT
from symcere_jax.models.fold_in import text_rows
from symcere_jax.settings import NONE
from symcere_jax.text import FittedTextEncoder, load_text_encoder
from symcere_jax.training import TrainedModel


@dataclasses.dataclass(frozen=True)
class Aligner:
    """Embeds texts in the space of users and items; rows have norm 1, or 0 for nothing known."""

    name: str
    encoder: FittedTextEncoder
    project: Callable[[np.ndarray], np.ndarray]  # float32 [n, width] features to float32 [n, d]
    users: np.ndarray  # float32 [n_users, d]
    items: np.ndarray  # float32 [n_items, d]

    @classmethod
    def from_model(
        cls, name: str, trained: TrainedModel, dataset: ReviewDataset, target: str = "graph"
    ) -> "Aligner":
        """The text tower of a model's main expert, and its embeddings of users and items.

        These are the graph tower's, with which cross-modal training aligns text; the text tower's;
        or the fused ones, which recommend.

        Raises:
            ConfigError: the model has no text, or no graph embeddings to align with.
            DataError: the folder does not keep the text encoder.
        """
        expert = trained.main
        settings = expert.model.settings
        if settings.text_encoder == NONE:
            raise ConfigError(f"{name} was trained without text: there are no words to explain")
        if target == "graph" and not settings.graph_embeddings:
            raise ConfigError(
                f"{name} has no graph embeddings: choose --against=fused or --against=text"
            )
        nodes = expert.nodes(by_tower=True)
        embeddings = nodes.fused
        if target != "fused" and expert.model.has_both_towers:
            embeddings = getattr(nodes, target)
        users, items = np.split(unit_rows(np.asarray(embeddings)), [dataset.n_users])
        model, params = expert.model, expert.params
        encoder = load_text_encoder(dataset, settings.text_encoder)
        return cls(name, encoder, lambda x: text_rows(model, params, items=x), users, items)

    @classmethod
    def from_text_features(cls, name: str, dataset: ReviewDataset, encoder: str) -> "Aligner":
        """Text features alone, without any training: a review against the reviews of an item.

        Raises:
            DataError: the folder does not have, or does not keep, the text encoder.
        """
        users, items = (
            unit_rows(dataset.text_features(encoder, side)) for side in ("users", "items")
        )
        return cls(name, load_text_encoder(dataset, encoder), lambda x: x, users, items)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings of texts, float32 `[n, d]`, of norm 1; 0 without a known word."""
        return unit_rows(self.project(self.encoder.encode_texts(list(texts))))

    def scorer(self, target: np.ndarray) -> ScoreTexts:
        """The cosine of texts with one embedding, float `[d]` of norm 1."""
        return lambda texts: self.embed(texts) @ target


@dataclasses.dataclass(frozen=True)
class ReviewExplanation:
    """Which words make a review similar to an item or a user: what they add to the cosine."""

    row: int
    user_id: str
    item_id: str
    words: TextExplanation


def sample_reviews(
    dataset: ReviewDataset,
    split: str,
    n: int,
    *,
    classes: Mapping[str, str] | None = None,
    seed: int = 0,
) -> list[int]:
    """Draws at most n reviews of items with training interactions, and returns their rows.

    With `classes`, word -> class, only those with a factual and a sentiment word are drawn.

    Raises:
        DataError: there is no such review, or a single one with words of both classes.
    """
    table = dataset.reviews(["item", "split", "text"])
    in_training = dataset.item_counts()[table["item"].to_numpy()] > 0
    fitting = np.flatnonzero((table["split"].to_numpy() == split) & in_training)
    rows: list[int] = []
    for row in np.random.default_rng(seed).permutation(fitting).tolist():
        if len(rows) == n:
            break
        if classes is not None:
            words = re.split(r"\W+", table["text"][row].as_py().lower())  # as LIME splits them
            if not {FACTUAL, SENTIMENT} <= {classes.get(word) for word in words}:
                continue
        rows.append(row)
    if classes is not None and len(rows) < 2:
        raise DataError(
            f"{dataset.folder}: fewer than two {split} reviews hold a factual and a sentiment "
            "word; choose another --split or other word lists"
        )
    if not rows:
        raise DataError(f"{dataset.folder} has no {split} reviews to explain")
    return rows


def explain_reviews(
    aligner: Aligner,
    dataset: ReviewDataset,
    rows: Sequence[int],
    target: np.ndarray | None = None,
    *,
    lime: LimeSettings = DEFAULT_LIME,
    progress: CountCallback | None = None,
) -> list[ReviewExplanation]:
    """Explains the similarity of each review to the item that it is about, or to one embedding.

    All models get the same perturbations.

    Args:
        aligner: embeds the texts.
        dataset: the prepared folder.
        rows: of the reviews, in `reviews.parquet`.
        target: the one embedding, float `[d]` of norm 1; None: that of the item of each review.
        lime: settings of the explanations.
        progress: called with the number of reviews done and of all reviews.
    """
    table = dataset.reviews(["user", "item", "text"]).take(list(rows)).to_pylist()
    user_ids, item_ids = dataset.user_ids(), dataset.item_ids()
    explanations = []
    for place, (row, review) in enumerate(zip(rows, table, strict=True)):
        score_texts = aligner.scorer(aligner.items[review["item"]] if target is None else target)
        settings = dataclasses.replace(lime, seed=lime.seed + place)
        words = explain_words(review["text"], score_texts, settings)
        user_id, item_id = str(user_ids[review["user"]]), str(item_ids[review["item"]])
        explanations.append(ReviewExplanation(row, user_id, item_id, words))
        if progress:
            progress(place + 1, len(rows))
    return explanations
