"""Which words state facts about an item, and which express sentiment?

Three sources: the information of a word about which item a review is about, its correlation with
the rating, and a sentiment lexicon.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
from scipy.special import entr

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.optional import require
from symcere_jax.text import FittedTextEncoder

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
    """Statistics of words over the training reviews, float64 `[n_words]`.

    Attributes:
        item_information: `(I(W; item) − E) / H(W)`: mutual information of a word's presence in a
            review with the item of the review, minus what it is when reviews are assigned to items
            at random, as a share of the entropy of its presence.
        rating_z: Fisher z-score of the correlation of a word's presence with the rating; 0 without
            ratings.
    """

    words: tuple[str, ...]
    item_information: np.ndarray
    rating_z: np.ndarray


def word_statistics(
    texts: Sequence[str],
    items: np.ndarray,
    ratings: np.ndarray,
    *,
    min_reviews: int = 10,
    n_shuffles: int = 3,
    seed: int = 0,
) -> WordStatistics:
    """Measures words over reviews.

    Args:
        texts: `n` review texts; training reviews, so that held-out ones stay unseen.
        items: int `[n]`, what each is about.
        ratings: float `[n]`, NaN where there is none.
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
    share = np.asarray(presence.sum(axis=0)).ravel() / len(texts)
    rng = np.random.default_rng(seed)
    _, items = np.unique(items, return_inverse=True)
    information = mutual_information(presence, items)
    by_chance = [mutual_information(presence, rng.permutation(items)) for _ in range(n_shuffles)]
    entropy = entr(share) + entr(1 - share)
    return WordStatistics(
        words=tuple(vectorizer.get_feature_names_out().tolist()),
        item_information=(information - np.mean(by_chance, axis=0)) / np.maximum(entropy, 1e-12),
        rating_z=_rating_z(presence, ratings),
    )


def mutual_information(presence: scipy.sparse.csr_matrix, classes: np.ndarray) -> np.ndarray:
    """I(term; class) in nats, float64 `[n_terms]`, of each term by itself.

    With few reviews it is too large: subtract its value for classes assigned at random.

    Args:
        presence: bool or 0 and 1, `[n, n_terms]`, reviews and terms.
        classes: int `[n]` from 0, such as the item of each review.
    """
    n, n_terms = presence.shape
    n_classes = int(classes.max()) + 1
    class_counts = scipy.sparse.csr_matrix(
        (np.ones(n), (classes, np.arange(n))), shape=(n_classes, n), dtype=np.float64
    )
    joint = (class_counts @ presence.astype(np.float64)).tocoo()  # reviews of a class with the term
    reviews = np.bincount(classes, minlength=n_classes).astype(np.float64)
    terms = np.asarray(presence.sum(axis=0), np.float64).ravel()
    with_term = -entr(joint.data / n)
    without = entr(reviews[joint.row] / n) - entr((reviews[joint.row] - joint.data) / n)
    total = np.bincount(joint.col, weights=with_term + without, minlength=n_terms)
    # A class that lacks the term adds as much to Σ p(t, c) log p(t, c) as to Σ p(c) log p(c).
    return total + entr(terms / n) + entr(1 - terms / n)


def classify_words(statistics: WordStatistics, valence: Mapping[str, float]) -> dict[str, str]:
    """The class of each word.

    - sentiment: of strong valence in the lexicon (|valence| ≥ 1), or correlated with the rating
      (|z| ≥ 4) without being item-specific;
    - factual: item-specific, the third of the words with most item information, and not sentiment;
    - other: the rest.
    """
    specific = statistics.item_information >= np.quantile(
        statistics.item_information, FACTUAL_QUANTILE
    )
    classes = {}
    for word, z, is_specific in zip(statistics.words, statistics.rating_z, specific, strict=True):
        in_lexicon = abs(valence.get(word, 0.0)) >= STRONG_VALENCE
        if in_lexicon or (abs(z) >= RATING_Z and not is_specific):
            classes[word] = SENTIMENT
        else:
            classes[word] = FACTUAL if is_specific else OTHER
    return classes


def classes_of_dataset(dataset: ReviewDataset, *, min_reviews: int = 10) -> dict[str, str]:
    """The class of each word of the training reviews, by `classify_words`.

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
    vader = require("vaderSentiment.vaderSentiment", extra="report")
    return dict(vader.SentimentIntensityAnalyzer().lexicon)


def classes_of_lists(factual: Iterable[str], sentiment: Iterable[str]) -> dict[str, str]:
    """Classes of the words of two lists, in any case; a word of both lists gets no class."""
    facts, feelings = ({word.lower() for word in words} for words in (factual, sentiment))
    factual_words = dict.fromkeys(sorted(facts - feelings), FACTUAL)
    return factual_words | dict.fromkeys(sorted(feelings - facts), SENTIMENT)


def read_words(path: Path) -> list[str]:
    """Reads a word list: one word per line, comments after #.

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
            raise DataError(f"{path}, line {number}: {word!r} is not one word; write one per line")
        if word:
            words.append(word)
    if not words:
        raise DataError(f"{path} has no words; write one per line")
    return words


def drop_unknown_words(
    classes: Mapping[str, str], encoder: FittedTextEncoder
) -> tuple[dict[str, str], dict[str, float]]:
    """Takes words that the text encoder does not know out of their classes.

    They cannot contribute, whatever the model: latent semantic analysis drops words that are in
    most items' reviews, sentiment above all, and counting these would prove the point by default.
    If no factual, or no sentiment, word were left, all are kept.

    Returns:
        Classes of the words to count, and the share of each class that is known.
    """
    known = np.abs(encoder.encode_texts(list(classes))).sum(axis=1) > 0
    kinds = np.array(list(classes.values()))
    shares = {kind: float(known[kinds == kind].mean()) for kind in CLASSES if (kinds == kind).any()}
    if 0.0 in (shares.get(FACTUAL), shares.get(SENTIMENT)):
        return dict(classes), shares
    return dict(itertools.compress(classes.items(), known)), shares


def _rating_z(presence: scipy.sparse.csr_matrix, ratings: np.ndarray) -> np.ndarray:
    n_words = presence.shape[1]
    rated = np.flatnonzero(np.isfinite(ratings))
    presence, ratings, n = presence[rated], ratings[rated], len(rated)
    if n < 4 or np.ptp(ratings) == 0:
        return np.zeros(n_words)
    share = np.asarray(presence.sum(axis=0), np.float64).ravel() / n
    covariance = np.asarray(presence.T @ (ratings - ratings.mean())).ravel() / n
    spread = np.sqrt(share * (1 - share)) * ratings.std()
    r = np.clip(covariance / np.where(spread > 0, spread, np.inf), -0.999999, 0.999999)
    return np.arctanh(r) * np.sqrt(n - 3)
