"""Contributions of a text's words to a score, by LIME, and their reliability."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit
from threadpoolctl import threadpool_limits

from symcere_jax.settings import LimeSettings

ScoreTexts = Callable[[Sequence[str]], np.ndarray]
"""`score_texts(texts) -> [n]`: scores of n texts, all perturbations of one review in a call."""


DEFAULT_LIME = LimeSettings()


@dataclasses.dataclass(frozen=True)
class WordContribution:
    """What a word, in lower case, adds to the score of a text, all its occurrences together."""

    word: str
    mean: float  # over the repeats
    std: float  # over the repeats; 0 for a single one
    half_width: float  # half the 95 % t interval of the mean; NaN for a single repeat

    @property
    def is_significant(self) -> bool:
        """Whether the interval of the contribution excludes 0."""
        return abs(self.mean) > self.half_width


@dataclasses.dataclass(frozen=True)
class TextExplanation:
    """The words of a text in a linear model of its score around the text.

    The fit is the R² of the linear model, weighted by nearness to the text; mean over the repeats.
    Where it is low, the contributions say little. It is NaN for a text without words.
    """

    text: str
    score: float  # of the whole text
    fit: float
    n_samples: int
    n_repeats: int
    words: tuple[WordContribution, ...]  # distinct, the largest contribution by size first


def explain_words(
    text: str, score_texts: ScoreTexts, settings: LimeSettings = DEFAULT_LIME
) -> TextExplanation:
    """Fits a linear model to the scores of the text with words left out, several times.

    M. T. Ribeiro, S. Singh and C. Guestrin, "'Why Should I Trust You?': Explaining the Predictions
    of Any Classifier", KDD 2016, as implemented by the package lime. A word is left out wherever it
    occurs, in any case. The perturbed texts of a repeat are scored in one call.
    """
    n_samples, n_repeats = settings.samples, settings.repeats
    from lime.lime_text import IndexedString, LimeTextExplainer  # takes a second to import

    lowered = text.lower()
    indexed = IndexedString(lowered)
    words = [str(indexed.word(row)) for row in range(indexed.num_words())]
    if not words:
        score = float(score_texts([text])[0])
        return TextExplanation(text, score, float("nan"), n_samples, n_repeats, ())
    weights = np.zeros((n_repeats, len(words)))
    fits, score = [], 0.0
    for repeat in range(n_repeats):
        explainer = LimeTextExplainer(
            feature_selection="none", random_state=np.random.RandomState([settings.seed, repeat])
        )
        # The matrices are small: more threads would only wait for each other.
        with threadpool_limits(1, user_api="blas"):
            explanation = explainer.explain_instance(
                lowered,
                lambda texts: np.asarray(score_texts(texts), np.float64)[:, None],
                labels=(0,),
                num_features=len(words),
                num_samples=n_samples,
            )
        for row, weight in explanation.local_exp[0]:
            weights[repeat, row] = weight
        fits.append(float(explanation.score))
        score = float(explanation.predict_proba[0])
    means = weights.mean(axis=0)
    stds, half_widths = np.zeros(len(words)), np.full(len(words), np.nan)
    if n_repeats > 1:
        stds = weights.std(axis=0, ddof=1)
        half_widths = stdtrit(n_repeats - 1, 0.975) * stds / np.sqrt(n_repeats)
    contributions = [
        WordContribution(words[row], *(float(values[row]) for values in (means, stds, half_widths)))
        for row in np.argsort(-np.abs(means), kind="stable")
    ]
    fit = float(np.mean(fits))
    return TextExplanation(text, score, fit, n_samples, n_repeats, tuple(contributions))
