"""How well reviews find their item: the measure by which fine-tuning chooses its epoch."""

import dataclasses

import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.errors import DataError
from symcere_jax.text.feature_rows import owner_means
from symcere_jax.text.finetuning.reviews import ReviewTexts
from symcere_jax.text.language_models import SentenceEncoder

MEASURE = (
    "mean reciprocal rank of the item of a valid review among all items, by the cosine of the "
    "review with the mean of the training reviews of each"
)
_OF_ITEM, _ASKED = 64, 20_000  # reviews encoded to score an encoder, at most
_BLOCK = 1 << 10


def mean_reciprocal_rank(asked: np.ndarray, item: np.ndarray, vectors: np.ndarray) -> float:
    """Mean of `1 / rank` of the own item among all items, by cosine; a tie counts against it.

    Args:
        asked: float32 `[n, width]`, rows of norm 1.
        item: int32 `[n]`, row of the own item of each.
        vectors: float32 `[n_items, width]`; items whose row is 0 are not ranked.

    Returns:
        The mean, in (0, 1].
    """
    vectors = unit_rows(vectors)
    known = vectors.any(axis=1)
    total = 0.0
    for start in range(0, len(asked), _BLOCK):
        scores = asked[start : start + _BLOCK] @ vectors.T
        own = np.take_along_axis(scores, item[start : start + _BLOCK, None], axis=1)
        total += float((1.0 / ((scores >= own) & known).sum(axis=1)).sum())
    return total / len(asked)


@dataclasses.dataclass(frozen=True)
class Retrieval:
    """The reviews that an encoder is scored by.

    Attributes:
        described: training reviews that the vectors of items are made of, 64 an item at most.
        asked: valid reviews of those items, 20,000 at most.
        n_items: number of items.
    """

    described: ReviewTexts
    asked: ReviewTexts
    n_items: int

    @classmethod
    def of(cls, train: ReviewTexts, valid: ReviewTexts, n_items: int, where: str) -> "Retrieval":
        """Draws the reviews, always the same.

        Args:
            train: training reviews.
            valid: valid reviews.
            n_items: number of items.
            where: names the data, for the message.

        Raises:
            DataError: there is no valid review to ask with.
        """
        rng = np.random.default_rng(0)
        order = rng.permutation(len(train))
        order = order[np.argsort(train.item[order], kind="stable")]
        counts = np.bincount(train.item, minlength=n_items)
        place_in_item = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        asked = np.flatnonzero(counts[valid.item] > 0)
        if not len(asked):
            raise DataError(
                f"{where} has no valid review with text of an item that has a training review with "
                "text: nothing tells which epoch is best; prepare it with another split"
            )
        asked = np.sort(rng.permutation(asked)[:_ASKED])
        described = np.sort(order[place_in_item < _OF_ITEM])
        return cls(train.select(described), valid.select(asked), n_items)

    def item_vectors(self, encoder: SentenceEncoder) -> np.ndarray:
        """Vectors of items, float32 `[n_items, width]`: the mean of their reviews, or 0."""
        rows = encoder.encode(self.described.texts.to_pylist())
        return owner_means(rows, np.ones(len(rows), bool), self.described.item, self.n_items)

    def score(self, encoder: SentenceEncoder, item_vectors: np.ndarray) -> float:
        """See `MEASURE`.

        Args:
            encoder: the encoder.
            item_vectors: what `item_vectors` made by it.
        """
        asked = encoder.encode(self.asked.texts.to_pylist())
        return mean_reciprocal_rank(asked, self.asked.item, item_vectors)
