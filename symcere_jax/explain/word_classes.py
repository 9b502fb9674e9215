"""Which words state facts about an item, and which express sentiment?

Three sources: how much a word tells about the item of a review, its correlation with the rating,
and a sentiment lexicon.
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
MIN_REVIEWS = 10  # words in fewer are left out
N_SHUFFLES = 3  # random assignments of reviews to items, which show what information is chance


@dataclasses.dataclass(frozen=True)
class WordStatistics:
    """Statistics of words over the training reviews, float64 `[n_words]`.

    The item information is `(I(W; item) − E) / H(W)`: mutual information of a word's presence in a
    review with the item of the review, minus what it is when reviews are assigned to items at
    random, as a share of the entropy of its presence.
    """

    words: tuple[str, ...]
    item_information: np.ndarray
    rating_z: np.ndarray  # Fisher's, of the correlation with the rating; 0 without ratings


def word_statistics(texts: Sequence[str], items: np.ndarray, ratings: np.ndarray) -> WordStatistics:
    """Measures words over n reviews, with the item of each and its rating, NaN for none.

    Raises:
        DataError: no word is in enough reviews.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second to import

    vectorizer = CountVectorizer(binary=True, stop_words="english", min_df=MIN_REVIEWS)
    try:
        presence = vectorizer.fit_transform(texts)
    except ValueError as error:
        raise DataError(
            f"no word is in {MIN_REVIEWS} of {len(texts)} training reviews ({error}): give your "
            "own word lists with --factual_words and --sentiment_words"
        ) from None
    share = np.asarray(presence.sum(axis=0)).ravel() / len(texts)
    rng = np.random.default_rng(0)
    _, items = np.unique(items, return_inverse=True)
    information = mutual_information(presence, items)
    by_chance = [mutual_information(presence, rng.permutation(items)) for _ in range(N_SHUFFLES)]
    entropy = entr(share) + entr(1 - share)
    return WordStatistics(
        words=tuple(vectorizer.get_feature_names_out().tolist()),
        item_information=(information - np.mean(by_chance, axis=0)) / np.maximum(entropy, 1e-12),
        rating_z=_rating_z(presence, ratings),
    )


def mutual_information(presence: scipy.sparse.csr_matrix, classes: np.ndarray) -> np.ndarray:
    """I(term; class) in nats, float64 `[n_terms]`, of the presence of each term, `[n, n_terms]`.

    Classes are int `[n]` from 0, such as the item of each review. It is too large for few reviews:
    subtract what it is when classes are assigned at random.
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


def classes_of_dataset(dataset: ReviewDataset) -> dict[str, str]:
    """The class of each word of the training reviews, by `classify_words`.

    Raises:
        DataError: no word is in enough reviews.
    """
    table = dataset.reviews(["item", "rating", "split", "text"])
    rows = np.flatnonzero(table["split"].to_numpy() == "train")
    statistics = word_statistics(
        table["text"].take(rows).to_pylist(),
        table["item"].to_numpy()[rows],
        table["rating"].to_numpy(zero_copy_only=False).astype(np.float64)[rows],
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
    """Leaves out words that the text encoder does not know; also the known share of each class.

    They cannot contribute, whatever the model: latent semantic analysis drops words that are in
    most items' reviews, sentiment above all, and counting these would prove the point by default.
    If no factual, or no sentiment, word were left, all are kept.
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
