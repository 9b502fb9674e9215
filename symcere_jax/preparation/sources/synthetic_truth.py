"""Generated reviews whose truth is known, to test models and their explanations.

Every item has a category and some factual attributes, one word each. A user likes some categories
and some words. Users choose items by taste and by popularity, so that the graph and the texts both
help to predict what they choose; the rating says how well an item suits. A review mixes words of
the item's attributes with words of sentiment, which follow the rating and say nothing of the item:
a sound model of the text relies on `FACTUAL_WORDS` and not on `SENTIMENT_WORDS`.
"""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.preparation.read.rows import RawRows, ReadingLog, raw_rows
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import Source

CATEGORY_WORDS = {
    "car": "gasket compatible bracket engine brake oem filter bolt hose tire sensor radiator",
    "kitchen": "blender skillet knife ceramic oven nonstick lid whisk toaster grill spatula kettle",
    "hotel": "lobby pool downtown breakfast elevator balcony shuttle suite airport beach spa bar",
    "music": "guitar strings amplifier pedal tuning fret drum cymbal keyboard cable pickup bass",
    "garden": "hose soil seeds pruner rake fertilizer mower hedge trellis planter shovel mulch",
    "office": "printer ink paper stapler folder toner desk binder envelope label pen scanner",
    "outdoor": "tent backpack waterproof hiking zipper stove trail rope compass boots pole canoe",
    "camera": "lens tripod shutter battery focus zoom flash aperture memory strap mount sd",
}
POSITIVE_WORDS = ("good", "great", "love", "excellent", "perfect", "happy", "nice", "best")
NEGATIVE_WORDS = ("bad", "poor", "hate", "terrible", "awful", "disappointed", "worst", "waste")

FACTUAL_WORDS = tuple(sorted({word for words in CATEGORY_WORDS.values() for word in words.split()}))
SENTIMENT_WORDS = (*POSITIVE_WORDS, *NEGATIVE_WORDS)

_OWN_WORDS, _OTHER_WORDS = 5, 1  # attributes of an item: from its category, and from any
_TASTE, _POPULARITY = 1.5, 0.8  # how much each counts when users choose
_FACTUAL_SHARE = 0.5  # of the words of a review
_MEAN_WORDS = 20
_FIRST_SECOND, _LAST_SECOND = 1_500_000_000, 1_600_000_000
_BLOCK_SCORES = 1 << 22  # users × items scored at once


@dataclasses.dataclass(frozen=True)
class SyntheticReviews:
    """Reviews and the truth behind them, for w factual words."""

    user: np.ndarray  # int64 [n_reviews], sorted
    item: np.ndarray  # int64 [n_reviews]; no (user, item) pair occurs twice
    rating: np.ndarray  # float64 [n_reviews], 1 to 5 in whole steps
    timestamp: np.ndarray  # int64 [n_reviews], Unix seconds
    text: pa.Array  # strings [n_reviews]
    attributes: np.ndarray  # bool [n_items, w], of each item
    taste: np.ndarray  # float64 [n_users, w], how much each user likes each attribute
    popularity: np.ndarray  # float64 [n_items], log weight of each item before taste


def generate(
    *, n_users: int, n_items: int, reviews_per_user: float, seed: int = 0
) -> SyntheticReviews:
    """Draws users, items and reviews.

    User u chooses items without replacement, by the Gumbel trick, with
    `P(i) ∝ exp(1.5 · taste_u·attributes_i / √5 − 0.8 · log rank_i)`.

    Args:
        n_users: number of users, each with at least one review.
        n_items: number of items; some may stay without a review.
        reviews_per_user: mean number of reviews a user, at least 1; at most `n_items` are drawn.
        seed: of everything that is drawn.
    """
    rng = np.random.default_rng([seed, n_users, n_items])
    attributes = _draw_attributes(rng, n_items)
    taste = _draw_taste(rng, n_users)
    popularity = -np.log1p(rng.permutation(n_items).astype(float))
    # Negative binomial: most users write little, some write much.
    n_chosen = 1 + rng.poisson(rng.gamma(2.0, (reviews_per_user - 1) / 2, size=n_users))
    n_chosen = np.minimum(n_chosen, n_items)

    users, items, suits = [], [], []
    block = max(1, _BLOCK_SCORES // n_items)
    for start in range(0, n_users, block):
        affinity = taste[start : start + block] @ attributes.T / math.sqrt(_OWN_WORDS)
        affinity -= affinity.mean(axis=1, keepdims=True)
        score = _TASTE * affinity + _POPULARITY * popularity + rng.gumbel(size=affinity.shape)
        order = _descending(score, int(n_chosen[start : start + block].max()))
        row, place = np.nonzero(np.arange(order.shape[1]) < n_chosen[start : start + block, None])
        users.append(row + start)
        items.append(order[row, place])
        suits.append(affinity[row, items[-1]])
    user, item, suit = np.concatenate(users), np.concatenate(items), np.concatenate(suits)

    suit = (suit - suit.mean()) / max(suit.std(), 1e-9)
    rating = np.clip(np.round(3.6 + 0.8 * suit + rng.normal(0, 0.7, len(suit))), 1, 5)
    return SyntheticReviews(
        user=user,
        item=item,
        rating=rating,
        timestamp=rng.integers(_FIRST_SECOND, _LAST_SECOND, size=len(user)),
        text=_draw_texts(rng, attributes, item, rating),
        attributes=attributes,
        taste=taste,
        popularity=popularity,
    )


def ids(prefix: str, n: int) -> pa.Array:
    """External ids of n users or items, such as "user-0042"; they sort as their rows do."""
    digits = len(str(n - 1))
    return pa.array([f"{prefix}-{row:0{digits}}" for row in range(n)])


def _descending(score: np.ndarray, n: int) -> np.ndarray:
    """Columns of the n highest scores of each row, highest first; far faster than a full sort."""
    top = np.argpartition(-score, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(score, top, axis=1), axis=1)
    return np.take_along_axis(top, order, axis=1)


def _category_mask() -> np.ndarray:
    """Array bool `[n_categories, n_words]`: which factual words belong to which category."""
    return np.array(
        [[word in words.split() for word in FACTUAL_WORDS] for words in CATEGORY_WORDS.values()]
    )


def _draw_attributes(rng: np.random.Generator, n_items: int) -> np.ndarray:
    """Array bool `[n_items, n_words]`: words of the item's category, and a few of any."""
    own = _category_mask()[rng.integers(len(CATEGORY_WORDS), size=n_items)]
    noise = rng.random(own.shape)
    attributes = np.zeros(own.shape, bool)
    for allowed, n_words in ((own, _OWN_WORDS), (~own, _OTHER_WORDS)):
        chosen = np.argsort(np.where(allowed, noise, 2.0), axis=1)[:, :n_words]
        np.put_along_axis(attributes, chosen, True, axis=1)
    return attributes


def _draw_taste(rng: np.random.Generator, n_users: int) -> np.ndarray:
    """Array float `[n_users, n_words]`: a liking for whole categories plus one for single words."""
    mask = _category_mask()
    category_tastes = rng.normal(0, 0.6, size=(n_users, len(mask)))
    word_tastes = rng.normal(0, 0.8, size=(n_users, mask.shape[1]))
    return category_tastes @ mask + word_tastes


def _draw_texts(
    rng: np.random.Generator, attributes: np.ndarray, item: np.ndarray, rating: np.ndarray
) -> pa.Array:
    """One text per review: words of the item's attributes among words that follow the rating."""
    n_attributes = _OWN_WORDS + _OTHER_WORDS
    words_of_item = np.nonzero(attributes)[1].reshape(-1, n_attributes)
    length = 5 + rng.poisson(_MEAN_WORDS - 5, size=len(item))
    review = np.repeat(np.arange(len(item)), length)
    factual = words_of_item[item[review], rng.integers(n_attributes, size=len(review))]
    negative = rng.random(len(review)) >= (rating[review] - 0.5) / 5
    sentiment = rng.integers(len(POSITIVE_WORDS), size=len(review))
    sentiment += len(FACTUAL_WORDS) + negative * len(POSITIVE_WORDS)
    word = np.where(rng.random(len(review)) < _FACTUAL_SHARE, factual, sentiment)
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int32)
    words = pa.array((*FACTUAL_WORDS, *SENTIMENT_WORDS)).take(pa.array(word))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, words), " ")


def _read(settings: PrepareSettings, log: ReadingLog) -> RawRows:
    del log
    reviews = generate(
        n_users=settings.synthetic_users,
        n_items=settings.synthetic_items,
        reviews_per_user=settings.synthetic_reviews_per_user,
        seed=settings.seed,
    )
    columns = {
        "user_id": ids("user", settings.synthetic_users).take(reviews.user),
        "item_id": ids("item", settings.synthetic_items).take(reviews.item),
        "rating": reviews.rating,
        "timestamp": reviews.timestamp,
        "text": reviews.text,
    }
    yield raw_rows(columns, np.arange(1, len(reviews.user) + 1), "generated row")


SOURCE = Source(
    "synthetic",
    _read,
    options=lambda settings: {
        "users": settings.synthetic_users,
        "items": settings.synthetic_items,
        "reviews_per_user": settings.synthetic_reviews_per_user,
        "seed": settings.seed,
    },
)
