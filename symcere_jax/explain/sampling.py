"""Which reviews an analysis explains, and explaining them."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from symcere_jax.callbacks import CountCallback
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.explain.aligner import Aligner
from symcere_jax.explain.lime_words import WordContributions, explain_words
from symcere_jax.explain.word_classes import CLASSES, FACTUAL, SENTIMENT
from symcere_jax.text import FittedTextEncoder


def known_classes(
    classes: Mapping[str, str], encoder: FittedTextEncoder
) -> tuple[dict[str, str], dict[str, float]]:
    """Leaves words that the text encoder does not know to no class, unless that empties one.

    They cannot contribute, whatever the model: latent semantic analysis drops words that are in
    most items' reviews, sentiment above all, and counting these would prove the point by default.

    Args:
        classes: word -> class.
        encoder: of the models.

    Returns:
        Classes of the words to count, and the share of each class that is known.
    """
    words = list(classes)
    knows = np.abs(encoder.encode_texts(words)).sum(axis=1) > 0
    kinds = np.array(list(classes.values()))
    shares = {kind: float(knows[kinds == kind].mean()) for kind in CLASSES if (kinds == kind).any()}
    if 0.0 in (shares.get(FACTUAL), shares.get(SENTIMENT)):
        return dict(classes), shares
    counted = zip(words, kinds.tolist(), knows.tolist(), strict=True)
    return {word: kind for word, kind, is_known in counted if is_known}, shares


def sample_reviews(
    dataset: ReviewDataset, split: str, n: int, classes: Mapping[str, str], seed: int = 0
) -> tuple[list[str], np.ndarray]:
    """Draws reviews that hold a factual and a sentiment word, of items with training reviews.

    Args:
        dataset: the prepared folder.
        split: of the reviews.
        n: how many at most.
        classes: word -> class.
        seed: of the draw.

    Returns:
        Texts, and int64 `[n]` rows of their items.

    Raises:
        DataError: there is no such review.
    """
    table = dataset.reviews(["item", "split", "text"])
    items = table["item"].to_numpy()
    in_training = dataset.item_counts() > 0
    fits = (table["split"].to_numpy() == split) & in_training[items]
    texts: list[str] = []
    chosen: list[int] = []
    for row in np.random.default_rng(seed).permutation(np.flatnonzero(fits)).tolist():
        if len(chosen) == n:
            break
        text = table["text"][row].as_py()
        if {FACTUAL, SENTIMENT} <= {classes.get(word) for word in _words(text)}:
            texts.append(text)
            chosen.append(row)
    if len(chosen) < 2:
        raise DataError(
            f"{dataset.folder}: fewer than two {split} reviews hold a factual and a sentiment "
            "word; choose another --split or other word lists"
        )
    return texts, items[chosen].astype(np.int64)


def chosen_reviews(
    dataset: ReviewDataset, rows: Sequence[str], *, n: int = 5, seed: int = 0
) -> list[int]:
    """Rows of reviews: those that are named, or some that are drawn.

    Args:
        dataset: the prepared folder.
        rows: as a user writes them; empty: n are drawn from the test split, or from training where
            there is no test split.
        n: see `rows`.
        seed: of the draw.

    Raises:
        ConfigError: one is no row.
    """
    if not rows:
        split = dataset.reviews(["split"])["split"].to_numpy()
        fits = np.flatnonzero(split == ("test" if len(dataset.test) else "train"))
        drawn = np.random.default_rng(seed).choice(fits, min(n, len(fits)), replace=False)
        return sorted(drawn.tolist())
    n_reviews = dataset.manifest.n_reviews
    for row in rows:
        if not row.isdecimal() or int(row) >= n_reviews:
            raise ConfigError(
                f"--reviews has {row!r}: rows are whole numbers from 0 to {n_reviews - 1}"
            )
    return [int(row) for row in rows]


def explain_reviews(
    aligner: Aligner,
    texts: Sequence[str],
    items: np.ndarray,
    *,
    n_samples: int = 500,
    n_repeats: int = 3,
    seed: int = 0,
    progress: CountCallback | None = None,
) -> list[WordContributions]:
    """Explains the similarity of each review to the item that it is about.

    Args:
        aligner: of the model.
        texts: `n` reviews.
        items: int `[n]` rows of their items.
        n_samples: see `explain_words`.
        n_repeats: see `explain_words`.
        seed: of the perturbations; the same ones for each model.
        progress: called with the number of reviews done and of all.
    """
    explanations = []
    for row, (text, item) in enumerate(zip(texts, items.tolist(), strict=True)):
        explanations.append(
            explain_words(
                text,
                aligner.scorer(aligner.items[item]),
                n_samples=n_samples,
                n_repeats=n_repeats,
                seed=seed + row,
            )
        )
        if progress:
            progress(row + 1, len(texts))
    return explanations


def _words(text: str) -> set[str]:
    """Different words of a text as LIME splits them."""
    return set(re.split(r"\W+", text.lower()))
