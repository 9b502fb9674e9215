"""Which words state facts of an item, and which voice sentiment?

Three witnesses: how much a word tells of which item a review is about, how far it goes with the
rating, and a sentiment lexicon.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.explain.mutual_information import mutual_information, xlogx

FACTUAL, SENTIMENT, OTHER = "factual", "sentiment", "other"
CLASSES = (FACTUAL, SENTIMENT, OTHER)
CLASSES_FROM_DATA = (
    "from the training reviews (item information against correlation with the rating) and the "
    "VADER lexicon"
)

# Fixed before any model was looked at.
FACTUAL_QUANTILE = 2 / 3  # of item information
STRONG_VALENCE = 1.0  # of −4 to 4 in the lexicon
RATING_Z = 4.0


@dataclasses.dataclass(frozen=True)
class WordStatistics:
    """What the training reviews say of words.

    Attributes:
        words: `[n_words]`, sorted.
        n_reviews: int64 `[n_words]`, reviews that hold the word.
        item_information: float64 `[n_words]`, `(I(W; item) − E) / H(W)`: mutual information of a
            word's presence in a review with the item of the review, less what it is when reviews
            are dealt out to items at random, as a share of the entropy of its presence.
        rating_z: float64 `[n_words]`, Fisher z-score of the correlation of a word's presence with
            the rating; 0 without ratings.
    """

    words: tuple[str, ...]
    n_reviews: np.ndarray
    item_information: np.ndarray
    rating_z: np.ndarray


def word_statistics(
    texts: Sequence[str],
    items: np.ndarray,
    ratings: np.ndarray | None,
    *,
    min_reviews: int = 10,
    n_shuffles: int = 3,
    seed: int = 0,
) -> WordStatistics:
    """Measures words over reviews.

    Args:
        texts: `n` review texts; training reviews, so that held-out ones stay unseen.
        items: int `[n]`, what each is about.
        ratings: float `[n]`, NaN where there is none; or None.
        min_reviews: words in fewer reviews are left out.
        n_shuffles: random assignments of reviews to items that E is the mean of.
        seed: of the shuffles.

    Raises:
        DataError: no word is in so many reviews.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second to import

    vectorizer = CountVectorizer(binary=True, stop_words="english", min_df=min_reviews)
    try:
        presence = vectorizer.fit_transform(texts)
    except ValueError as error:
        raise DataError(
            f"no word is in {min_reviews} of {len(texts)} training reviews ({error}): give word "
            "lists of your own by --factual_words and --sentiment_words"
        ) from None
    counts = np.asarray(presence.sum(axis=0)).ravel()
    rng = np.random.default_rng(seed)
    _, items = np.unique(items, return_inverse=True)
    found = mutual_information(presence, items)
    expected = np.mean(
        [mutual_information(presence, rng.permutation(items)) for _ in range(n_shuffles)], axis=0
    )
    share = counts / len(texts)
    entropy = -xlogx(share) - xlogx(1 - share)
    return WordStatistics(
        words=tuple(vectorizer.get_feature_names_out().tolist()),
        n_reviews=counts,
        item_information=(found - expected) / np.maximum(entropy, 1e-12),
        rating_z=_rating_z(presence, ratings),
    )


def classify_words(statistics: WordStatistics, valence: Mapping[str, float]) -> dict[str, str]:
    """The class of each word.

    - sentiment: of strong valence in the lexicon (|valence| ≥ 1); or going with the rating
      (|z| ≥ 4) without being item-specific;
    - factual: item-specific, which is the third of the words with most item information, and not
      sentiment;
    - other: the rest.

    Args:
        statistics: of the words.
        valence: sentiment lexicon, word -> −4 to 4.
    """
    specific = statistics.item_information >= np.quantile(
        statistics.item_information, FACTUAL_QUANTILE
    )
    classes = {}
    for row, word in enumerate(statistics.words):
        in_lexicon = abs(valence.get(word, 0.0)) >= STRONG_VALENCE
        if in_lexicon or (abs(statistics.rating_z[row]) >= RATING_Z and not specific[row]):
            classes[word] = SENTIMENT
        elif specific[row]:
            classes[word] = FACTUAL
        else:
            classes[word] = OTHER
    return classes


def classes_of_dataset(dataset: ReviewDataset, *, min_reviews: int = 10) -> dict[str, str]:
    """The class of each word of the training reviews; see `classify_words`.

    Args:
        dataset: the prepared folder.
        min_reviews: words in fewer training reviews are left out.

    Raises:
        DataError: no word is in so many reviews.
    """
    table = dataset.reviews(["item", "rating", "split", "text"])
    rows = np.flatnonzero(table["split"].to_numpy() == "train")
    statistics = word_statistics(
        table["text"].take(rows).to_pylist(),
        table["item"].to_numpy()[rows],
        table["rating"].to_numpy(zero_copy_only=False).astype(np.float64)[rows],
        min_reviews=min_reviews,
    )
    return classify_words(statistics, sentiment_lexicon())


def sentiment_lexicon() -> dict[str, float]:
    """Word -> mean valence, −4 to 4, of VADER (Hutto and Gilbert, ICWSM 2014)."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return dict(SentimentIntensityAnalyzer().lexicon)


def classes_of_lists(factual: Iterable[str], sentiment: Iterable[str]) -> dict[str, str]:
    """Classes from word lists; a word of both is left to neither.

    Args:
        factual: words in any case.
        sentiment: likewise.
    """
    facts, feelings = ({word.lower() for word in words} for words in (factual, sentiment))
    factual_words = dict.fromkeys(sorted(facts - feelings), FACTUAL)
    return factual_words | dict.fromkeys(sorted(feelings - facts), SENTIMENT)


def read_words(path: Path) -> list[str]:
    """Reads a word list: a word a line, what follows # is a comment.

    Raises:
        DataError: the file is missing, not UTF-8, has several words in a line, or none at all.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as UTF-8 text ({error})") from None
    words = []
    for number, line in enumerate(lines, start=1):
        word = line.partition("#")[0].strip()
        if len(word.split()) > 1:
            raise DataError(f"{path}, line {number}: {word!r} is not one word; give a word a line")
        if word:
            words.append(word)
    if not words:
        raise DataError(f"{path} has no words; give a word a line")
    return words


def _rating_z(presence: scipy.sparse.csr_matrix, ratings: np.ndarray | None) -> np.ndarray:
    n_words = presence.shape[1]
    if ratings is None:
        return np.zeros(n_words)
    known = np.flatnonzero(np.isfinite(ratings))
    rated, ratings = presence[known], np.asarray(ratings, np.float64)[known]
    n = len(known)
    if n < 4 or np.ptp(ratings) == 0:
        return np.zeros(n_words)
    share = np.asarray(rated.sum(axis=0), np.float64).ravel() / n
    centred = ratings - ratings.mean()
    covariance = np.asarray(rated.T @ centred).ravel() / n
    spread = np.sqrt(share * (1 - share)) * centred.std()
    r = np.clip(covariance / np.where(spread > 0, spread, np.inf), -0.999999, 0.999999)
    return np.arctanh(r) * np.sqrt(n - 3)
