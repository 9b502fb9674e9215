"""Reviews with text of one split, and the batches that an epoch of fine-tuning is made of."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.data import ReviewDataset
from symcere_jax.text.language_models.batching import padded_length
from symcere_jax.text.language_models.checkpoint import Checkpoint

_READ_ROWS = 1 << 16
_SORTED_BATCHES = 16  # whose reviews are put in the order of their lengths


@dataclasses.dataclass(frozen=True)
class ReviewTexts:
    """Reviews of one split; those of white space alone are left out.

    Attributes:
        texts: string `[n]`.
        item: int32 `[n]`, row of the item of each.
    """

    texts: pa.ChunkedArray
    item: np.ndarray

    @classmethod
    def read(cls, dataset: ReviewDataset, split: str) -> "ReviewTexts":
        """Reads the reviews of a split; texts of other splits are not kept.

        Args:
            dataset: the prepared folder.
            split: "train" or "valid".
        """
        texts: list[pa.Array] = []
        items = [np.zeros(0, np.int32)]
        for batch in dataset.review_batches(_READ_ROWS, ["item", "split", "text"]):
            batch = batch.filter(pc.equal(batch.column("split"), split))
            has_text = [bool(text.strip()) for text in batch.column("text").to_pylist()]
            batch = batch.filter(pa.array(has_text, pa.bool_()))
            texts.append(batch.column("text").cast(pa.large_string()))
            items.append(batch.column("item").to_numpy().astype(np.int32))
        return cls(pa.chunked_array(texts, pa.large_string()), np.concatenate(items))

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows: np.ndarray) -> list[str]:
        """Texts of some rows, in their order."""
        return self.texts.take(pa.array(rows)).to_pylist()

    def select(self, rows: np.ndarray) -> "ReviewTexts":
        """Some rows alone."""
        return ReviewTexts(self.texts.take(pa.array(rows)), self.item[rows])


@dataclasses.dataclass(frozen=True)
class PairBatch:
    """What one step reads.

    Attributes:
        tokens: int32 `[n_views, batch, length]`, 0 after a text's last.
        lengths: int32 `[n_views, batch]`.
        item: int32 `[batch]`, of the texts of each column.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    item: np.ndarray


class Batches:
    """The batches of any epoch; they follow from the seed, the number of the epoch, and no more.

    Each review comes once an epoch, where the last batch of the epoch wants more, some twice. A
    batch has reviews of similar length, so that little of it is padding: sixteen batches are drawn
    at random and dealt out by length. Of a review that is longer than `max_length`, one of its
    parts is drawn.

    Args:
        reviews: of the training split.
        checkpoint: whose tokeniser is used.
        batch_size: reviews of a batch.
        max_length: most tokens of a text.
        seed: of the order, the pairs and the parts.
        in_pairs: with each review comes another of the same item; an item with a single one is
            left out.
    """

    def __init__(
        self,
        reviews: ReviewTexts,
        checkpoint: Checkpoint,
        *,
        batch_size: int,
        max_length: int,
        seed: int,
        in_pairs: bool,
    ) -> None:
        self._reviews, self._checkpoint = reviews, checkpoint
        self._batch_size, self._max_length, self._seed = batch_size, max_length, seed
        self._in_pairs = in_pairs
        counts = np.bincount(reviews.item)
        self._by_item = np.argsort(reviews.item, kind="stable")
        self._place = np.argsort(self._by_item)  # of each review, in the order by item
        self._first = (np.cumsum(counts) - counts)[reviews.item]
        self._count = counts[reviews.item]
        self.rows = np.flatnonzero(self._count >= (2 if in_pairs else 1))

    @property
    def n_items(self) -> int:
        """Items that there are reviews of to train with."""
        return len(np.unique(self._reviews.item[self.rows]))

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows) // self._batch_size)

    def epoch(self, number: int, skip: int = 0) -> Iterator[PairBatch]:
        """The batches of an epoch, but for the first ones.

        Args:
            number: of the epoch, from 0.
            skip: how many to leave out.
        """
        order = np.random.default_rng([self._seed, number]).permutation(self.rows)
        order = np.resize(order, self.per_epoch * self._batch_size)
        block_rows = _SORTED_BATCHES * self._batch_size
        for block, start in enumerate(range(0, len(order), block_rows)):
            rows = order[start : start + block_rows]
            n_batches = len(rows) // self._batch_size
            if skip >= n_batches:
                skip -= n_batches
                continue
            rng = np.random.default_rng([self._seed, number, block])
            yield from self._block(rows, rng, skip)
            skip = 0

    def _block(self, rows: np.ndarray, rng: np.random.Generator, skip: int) -> Iterator[PairBatch]:
        views = [rows]
        if self._in_pairs:
            views.append(self._others(rows, rng))
        tokens = [self._tokens(view, rng) for view in views]
        lengths = np.array([[len(text) for text in view] for view in tokens], np.int32)
        order = np.argsort(lengths.max(axis=0), kind="stable").reshape(-1, self._batch_size)
        for columns in rng.permutation(order)[skip:]:
            of_batch = lengths[:, columns]
            length = min(padded_length(int(of_batch.max())), self._checkpoint.window)
            padded = np.zeros((len(views), self._batch_size, length), np.int32)
            for view in range(len(views)):
                for place, column in enumerate(columns):
                    padded[view, place, : lengths[view, column]] = tokens[view][column]
            yield PairBatch(padded, of_batch, self._reviews.item[rows[columns]])

    def _others(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each review, another one of the same item."""
        first, count = self._first[rows], self._count[rows]
        step = rng.integers(1, count)
        return self._by_item[first + (self._place[rows] - first + step) % count]

    def _tokens(self, rows: np.ndarray, rng: np.random.Generator) -> list[list[int]]:
        """Token numbers of reviews, of one part of each."""
        chunks = self._checkpoint.chunks(self._reviews.take(rows), window=self._max_length)
        counts = np.bincount(chunks.text, minlength=len(rows))
        picked = np.cumsum(counts) - counts + rng.integers(0, counts)
        return [chunks.tokens[place] for place in picked]
