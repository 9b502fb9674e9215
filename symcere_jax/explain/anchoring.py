"""Semantic anchoring: does similarity of text and item rest on facts or on sentiment?"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from symcere_jax.evaluation import PairedTest, compare_paired, standard_error
from symcere_jax.explain.lime_words import WordContributions
from symcere_jax.explain.word_classes import CLASSES, FACTUAL, OTHER, SENTIMENT

MIN_REVIEWS_OF_TOP_WORD = 3


@dataclasses.dataclass(frozen=True)
class TopWord:
    """A word and what it contributes where it occurs.

    Attributes:
        word: in lower case.
        mean: share of a review's total contribution, mean over the reviews that hold it.
        n_reviews: explained reviews that hold it.
    """

    word: str
    mean: float
    n_reviews: int


@dataclasses.dataclass(frozen=True)
class ClassContribution:
    """What the words of a class contribute.

    Attributes:
        mean: contribution of a word to the cosine, mean over the words of a review, then reviews.
        error: its standard error over reviews.
        share: contribution of a word over the sum of the sizes of all contributions in its review,
            mean over the words of a review, then reviews: comparable between models.
        share_error: its standard error over reviews.
        n_words: words of the class in a review, mean.
        top: the words of the largest mean share.
    """

    mean: float
    error: float
    share: float
    share_error: float
    n_words: float
    top: list[TopWord]


@dataclasses.dataclass(frozen=True)
class ModelAnchoring:
    """On what a model anchors.

    Attributes:
        name: of the model.
        fit: R² of the linear models, mean over reviews.
        stability: share of the contributions of factual and sentiment words whose 95 % interval
            over the repeats leaves out 0.
        classes: class -> contribution.
        gap: factual less sentiment share, paired over reviews, against 0.
        gap_to_first: that of the first model subtracted, paired over reviews; None for the first.
        auc: probability that a factual word contributes more than a sentiment word of the same
            review, mean over reviews.
        auc_error: its standard error over reviews.
    """

    name: str
    fit: float
    stability: float
    classes: dict[str, ClassContribution]
    gap: PairedTest
    gap_to_first: PairedTest | None
    auc: float
    auc_error: float


@dataclasses.dataclass(frozen=True)
class Anchoring:
    """The analysis of a sample of reviews.

    Attributes:
        dataset: name of the data set.
        split: of the reviews.
        against: what the text is compared with.
        word_classes: where the classes come from, in words.
        known: class -> share of its words that the text encoder knows by themselves; see
            `known_classes`.
        n_reviews: explained reviews with a factual and a sentiment word.
        n_samples: perturbed texts a repeat.
        n_repeats: repeats.
        models: in the order they were given.
    """

    dataset: str
    split: str
    against: str
    word_classes: str
    known: dict[str, float]
    n_reviews: int
    n_samples: int
    n_repeats: int
    models: list[ModelAnchoring]


def summarize_anchoring(
    explanations: Mapping[str, Sequence[WordContributions]],
    classes: Mapping[str, str],
    *,
    dataset: str,
    split: str,
    against: str,
    word_classes: str,
    known: Mapping[str, float],
    n_top: int = 15,
) -> Anchoring:
    """Compares classes of words within each model, and the models with the first one.

    Args:
        explanations: model -> explanations of the same reviews, each with a factual and a sentiment
            word.
        classes: word -> class; what is not in it is "other".
        dataset: for titles.
        split: likewise.
        against: likewise.
        word_classes: likewise.
        known: likewise.
        n_top: words listed of each class.
    """
    reviews_of = {
        name: [_ReviewShares.of(one, classes) for one in of_model]
        for name, of_model in explanations.items()
    }
    gaps = np.array(
        [
            [one.share[FACTUAL] - one.share[SENTIMENT] for one in reviews]
            for reviews in reviews_of.values()
        ]
    )
    to_zero = compare_paired(gaps, np.zeros(gaps.shape[1]))
    to_first = [None, *(compare_paired(gaps[1:], gaps[0]) if len(gaps) > 1 else [])]
    models = []
    for row, (name, of_model) in enumerate(explanations.items()):
        reviews = reviews_of[name]
        aucs = np.array([one.auc for one in reviews])
        sure = np.concatenate([one.sure for one in reviews])
        models.append(
            ModelAnchoring(
                name=name,
                fit=float(np.mean([one.fit for one in of_model])),
                stability=float(sure.mean()),
                classes={kind: _class_contribution(kind, reviews, n_top) for kind in CLASSES},
                gap=to_zero[row],
                gap_to_first=to_first[row],
                auc=float(aucs.mean()),
                auc_error=standard_error(aucs),
            )
        )
    some = next(iter(explanations.values()))
    return Anchoring(
        dataset=dataset,
        split=split,
        against=against,
        word_classes=word_classes,
        known=dict(known),
        n_reviews=len(some),
        n_samples=some[0].n_samples,
        n_repeats=some[0].n_repeats,
        models=models,
    )


@dataclasses.dataclass(frozen=True)
class _ReviewShares:
    """A review's words by class: contributions, and their shares of all contributions."""

    words: dict[str, list[str]]
    contributions: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]
    auc: float
    sure: np.ndarray

    @classmethod
    def of(cls, one: WordContributions, classes: Mapping[str, str]) -> "_ReviewShares":
        kinds = np.array([classes.get(word, OTHER) for word in one.words])
        total = np.abs(one.mean).sum() or 1.0
        rows = {kind: np.flatnonzero(kinds == kind) for kind in CLASSES}
        facts, feelings = one.mean[rows[FACTUAL]], one.mean[rows[SENTIMENT]]
        differences = facts[:, None] - feelings
        return cls(
            words={kind: [one.words[row] for row in rows[kind]] for kind in CLASSES},
            contributions={kind: one.mean[rows[kind]] for kind in CLASSES},
            shares={kind: one.mean[rows[kind]] / total for kind in CLASSES},
            auc=float((differences > 0).mean() + (differences == 0).mean() / 2),
            sure=one.is_sure[kinds != OTHER],
        )

    @property
    def share(self) -> dict[str, float]:
        """Mean share of a word of each class that the review has."""
        return {kind: float(of.mean()) for kind, of in self.shares.items() if len(of)}


def _class_contribution(
    kind: str, reviews: Sequence[_ReviewShares], n_top: int
) -> ClassContribution:
    having = [one for one in reviews if len(one.shares[kind])]
    means = np.array([one.contributions[kind].mean() for one in having])
    shares = np.array([one.shares[kind].mean() for one in having])
    by_word: dict[str, list[float]] = {}
    for one in having:
        for word, share in zip(one.words[kind], one.shares[kind].tolist(), strict=True):
            by_word.setdefault(word, []).append(share)
    top = [
        TopWord(word, float(np.mean(values)), len(values))
        for word, values in by_word.items()
        if len(values) >= MIN_REVIEWS_OF_TOP_WORD
    ]
    top.sort(key=lambda one: (-one.mean, one.word))
    nothing = not len(having)
    return ClassContribution(
        mean=0.0 if nothing else float(means.mean()),
        error=standard_error(means),
        share=0.0 if nothing else float(shares.mean()),
        share_error=standard_error(shares),
        n_words=sum(len(one.shares[kind]) for one in reviews) / len(reviews),
        top=top[:n_top],
    )
