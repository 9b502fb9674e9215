"""Contributions of a text's words to a score, by LIME, with how far they can be trusted."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits

ScoreTexts = Callable[[Sequence[str]], np.ndarray]
"""`score_texts(texts) -> [n]`: scores of n texts, all perturbations of one review in a call."""


@dataclasses.dataclass(frozen=True)
class WordContributions:
    """What each word of a text adds to its score, in a linear model around the text.

    Attributes:
        text: the text.
        words: its different words in lower case, in the order they first occur.
        mean: float64 `[n_words]`, contribution of a word, all its occurrences together; mean over
            the repeats.
        std: float64 `[n_words]`, standard deviation over the repeats; 0 for a single one.
        half_width: float64 `[n_words]`, half the 95 % t interval of the mean; NaN for one repeat.
        score: of the whole text.
        fit: R² of the linear model, weighted by nearness to the text; mean over the repeats. Where
            it is low, the contributions say little.
        n_samples: perturbed texts a repeat.
        n_repeats: independent repeats.
    """

    text: str
    words: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    half_width: np.ndarray
    score: float
    fit: float
    n_samples: int
    n_repeats: int

    @property
    def is_sure(self) -> np.ndarray:
        """Array bool `[n_words]`: the interval of the contribution leaves out 0."""
        return np.abs(self.mean) > np.nan_to_num(self.half_width, nan=np.inf)

    def order(self) -> np.ndarray:
        """Positions of the words, the largest contribution by size first."""
        return np.argsort(-np.abs(self.mean), kind="stable")


def explain_words(
    text: str,
    score_texts: ScoreTexts,
    *,
    n_samples: int = 500,
    n_repeats: int = 3,
    seed: int = 0,
) -> WordContributions:
    """Fits a linear model to the scores of the text with words left out, several times.

    M. T. Ribeiro, S. Singh and C. Guestrin, "'Why Should I Trust You?': Explaining the Predictions
    of Any Classifier", KDD 2016, as implemented by the package lime. A word is taken out wherever
    it occurs, in any case. The perturbed texts of a repeat are scored in one call.

    Args:
        text: to explain.
        score_texts: scores texts.
        n_samples: perturbed texts a repeat.
        n_repeats: repeats with other perturbations, which tell how stable the contributions are.
        seed: of the perturbations.

    Raises:
        ValueError: `n_samples` is less than 2, or `n_repeats` less than 1.
    """
    if n_samples < 2 or n_repeats < 1:
        raise ValueError(f"n_samples is {n_samples}, n_repeats {n_repeats}: must be ≥ 2 and ≥ 1")
    from lime.lime_text import IndexedString, LimeTextExplainer  # takes a second to import

    lowered = text.lower()
    indexed = IndexedString(lowered)
    words = tuple(str(indexed.word(row)) for row in range(indexed.num_words()))
    if not words:
        nothing = np.zeros(0)
        score = float(score_texts([text])[0])
        return WordContributions(
            text, (), nothing, nothing, nothing, score, float("nan"), n_samples, n_repeats
        )
    weights = np.zeros((n_repeats, len(words)))
    fits, score = [], 0.0
    for repeat in range(n_repeats):
        explainer = LimeTextExplainer(
            feature_selection="none", random_state=np.random.RandomState([seed, repeat])
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
    std = weights.std(axis=0, ddof=1) if n_repeats > 1 else np.zeros(len(words))
    half_width = np.full(len(words), np.nan)
    if n_repeats > 1:
        half_width = stats.t.ppf(0.975, n_repeats - 1) * std / np.sqrt(n_repeats)
    return WordContributions(
        text=text,
        words=words,
        mean=weights.mean(axis=0),
        std=std,
        half_width=half_width,
        score=score,
        fit=float(np.mean(fits)),
        n_samples=n_samples,
        n_repeats=n_repeats,
    )
