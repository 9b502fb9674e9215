"""Semantic anchoring: does similarity of text and item rest on facts or on sentiment?"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from symcere_jax.evaluation import PairedTest, compare_paired, standard_error
from symcere_jax.explain.lime_words import TextExplanation
from symcere_jax.explain.word_classes import CLASSES, FACTUAL, OTHER, SENTIMENT

MIN_REVIEWS_OF_TOP_WORD = 3
N_TOP_WORDS = 15


@dataclasses.dataclass(frozen=True)
class TopWord:
    """A word and what it contributes where it occurs."""

    word: str
    share: float  # of a review's total contribution, mean over the reviews with the word
    n_reviews: int


@dataclasses.dataclass(frozen=True)
class ClassContribution:
    """What the words of a class contribute.

    The share is a word's contribution over the sum of the sizes of all contributions in its review,
    mean over the words of a review, then reviews: comparable between models.
    """

    share: float
    share_error: float  # its standard error over reviews
    top: list[TopWord]  # those of the largest mean share


@dataclasses.dataclass(frozen=True)
class ModelAnchoring:
    """What the similarities of a model rest on."""

    name: str
    fit: float  # R² of the linear models, mean over reviews
    # Share of the contributions of factual and sentiment words whose 95 % interval excludes 0.
    stability: float
    classes: dict[str, ClassContribution]
    gap: PairedTest  # factual minus sentiment share, paired over reviews, against 0
    gap_to_first: PairedTest | None  # the same minus that of the first model
    # Probability that a factual word contributes more than a sentiment word of the same review.
    auc: float
    auc_error: float  # its standard error over reviews


@dataclasses.dataclass(frozen=True)
class Anchoring:
    """The analysis of a sample of reviews, each with a factual and a sentiment word."""

    dataset: str
    split: str
    against: str
    word_classes: str  # where the classes come from, in words
    known: dict[str, float]  # class -> share of its words that the text encoder knows
    n_reviews: int
    n_samples: int
    n_repeats: int
    models: list[ModelAnchoring]


def summarize_anchoring(
    explanations: Mapping[str, Sequence[TextExplanation]],
    classes: Mapping[str, str],
    *,
    dataset: str,
    split: str,
    against: str,
    word_classes: str,
    known: Mapping[str, float],
) -> Anchoring:
    """Compares classes of words within each model, and the models with the first one.

    `explanations` are of the same reviews for each model, and each review has a factual and a
    sentiment word. Words that are not in `classes` are "other".
    """
    reviews = {
        name: [_ReviewShares.of(explanation, classes) for explanation in of_model]
        for name, of_model in explanations.items()
    }
    gaps = np.array([[review.gap for review in of_model] for of_model in reviews.values()])
    against_zero = compare_paired(gaps, np.zeros(gaps.shape[1]))
    against_first = [None, *(compare_paired(gaps[1:], gaps[0]) if len(gaps) > 1 else [])]
    models = []
    for (name, of_model), gap, gap_to_first in zip(
        reviews.items(), against_zero, against_first, strict=True
    ):
        aucs = np.array([review.auc for review in of_model])
        models.append(
            ModelAnchoring(
                name=name,
                fit=float(np.mean([explanation.fit for explanation in explanations[name]])),
                stability=float(np.concatenate([review.significant for review in of_model]).mean()),
                classes={kind: _class_contribution(kind, of_model) for kind in CLASSES},
                gap=gap,
                gap_to_first=gap_to_first,
                auc=float(aucs.mean()),
                auc_error=standard_error(aucs),
            )
        )
    first = next(iter(explanations.values()))
    return Anchoring(
        dataset=dataset,
        split=split,
        against=against,
        word_classes=word_classes,
        known=dict(known),
        n_reviews=len(first),
        n_samples=first[0].n_samples,
        n_repeats=first[0].n_repeats,
        models=models,
    )


@dataclasses.dataclass(frozen=True)
class _ReviewShares:
    """What each word of a review contributes, class -> word -> share of all contributions."""

    by_class: dict[str, dict[str, float]]
    significant: list[bool]  # of the contributions of factual and sentiment words

    @classmethod
    def of(cls, explanation: TextExplanation, classes: Mapping[str, str]) -> "_ReviewShares":
        by_class: dict[str, dict[str, float]] = {kind: {} for kind in CLASSES}
        significant = []
        total = sum(abs(word.mean) for word in explanation.words) or 1.0
        for word in explanation.words:
            kind = classes.get(word.word, OTHER)
            by_class[kind][word.word] = word.mean / total
            if kind != OTHER:
                significant.append(word.is_significant)
        return cls(by_class, significant)

    def shares(self, kind: str) -> np.ndarray:
        """Of the words of a class, float64 `[n]`."""
        return np.array(list(self.by_class[kind].values()))

    @property
    def gap(self) -> float:
        """Mean share of a factual word minus that of a sentiment word."""
        return float(self.shares(FACTUAL).mean() - self.shares(SENTIMENT).mean())

    @property
    def auc(self) -> float:
        """Probability that a factual word contributes more than a sentiment word."""
        differences = self.shares(FACTUAL)[:, None] - self.shares(SENTIMENT)
        return float((differences > 0).mean() + (differences == 0).mean() / 2)


def _class_contribution(kind: str, reviews: Sequence[_ReviewShares]) -> ClassContribution:
    means = np.array([review.shares(kind).mean() for review in reviews if review.by_class[kind]])
    shares_of: dict[str, list[float]] = {}
    for review in reviews:
        for word, share in review.by_class[kind].items():
            shares_of.setdefault(word, []).append(share)
    top = [
        TopWord(word, float(np.mean(shares)), len(shares))
        for word, shares in shares_of.items()
        if len(shares) >= MIN_REVIEWS_OF_TOP_WORD
    ]
    top.sort(key=lambda word: (-word.share, word.word))
    share = float(means.mean()) if len(means) else 0.0
    return ClassContribution(share, standard_error(means), top[:N_TOP_WORDS])
