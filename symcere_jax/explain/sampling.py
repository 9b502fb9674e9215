"""Which reviews an analysis explains, and explaining them."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from symcere_jax.callbacks import CountCallback
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.explain.aligner import Aligner
from symcere_jax.explain.lime_words import (
    DEFAULT_LIME,
    LimeSettings,
    TextExplanation,
    explain_words,
)
from symcere_jax.explain.word_classes import FACTUAL, SENTIMENT


@dataclasses.dataclass(frozen=True)
class ReviewExplanation:
    """Which words make a review similar to an item or a user.

    Attributes:
        words: their contributions to the cosine.
    """

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

    That is `target`, float `[d]` of norm 1. Perturbations are the same ones for each model.
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
