"""What training steps read: inputs of the model, interactions, histories, review texts."""

import dataclasses
import mmap
import os
from concurrent.futures import ThreadPoolExecutor

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.models import ModelInputs
from symcere_jax.settings import NONE, ResolvedSettings

MAX_HISTORY = 1024  # items of a user that are read at once
MAX_SHARE = 1 / 8  # of the memory that the text features of reviews may take
_LOADED_AT_ONCE = 2**16  # rows whose float32 is held
_READERS = 16  # threads; waiting for the disk, not computing


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, eq=False)
class MappedReviews:
    """Text features of reviews, read from their file for each batch: all need too much memory.

    In a program, it takes the place of an array on the device.
    """

    features: np.ndarray  # float `[n_reviews, width]`, memory-mapped
    rows: np.ndarray  # int `[n]`, of the features, those that there are

    @property
    def is_large(self) -> bool:
        """Whether the rows, in float16, would take more than `MAX_SHARE` of the memory."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if stats := jax.local_devices()[0].memory_stats():
            memory = stats.get("bytes_limit", memory)
        return 2 * len(self.rows) * self.features.shape[1] > MAX_SHARE * memory

    def load(self) -> jax.Array:
        """All rows, as `read` has them, on the device."""
        text = np.empty((len(self.rows), self.features.shape[1]), np.float16)
        for start in range(0, len(text), _LOADED_AT_ONCE):
            part = slice(start, start + _LOADED_AT_ONCE)
            text[part] = self.read(part)
        return jnp.asarray(text)

    def expect_random_reads(self) -> None:
        """Reads no more than the pages of the rows of a batch: else the system reads ahead."""
        if isinstance(self.features.base, mmap.mmap):
            self.features.base.madvise(mmap.MADV_RANDOM)

    def __getitem__(self, places: jax.Array) -> jax.Array:
        """The rows at some places, as `read` has them; inside compiled programs."""
        shape = (*places.shape, self.features.shape[1])
        return jax.pure_callback(self._read_many, jax.ShapeDtypeStruct(shape, np.float16), places)

    def _read_many(self, places: jax.Array) -> np.ndarray:
        parts = np.array_split(np.asarray(places), _READERS)
        with ThreadPoolExecutor(_READERS) as pool:
            return np.concatenate(list(pool.map(self.read, parts)))

    def read(self, places: np.ndarray | slice) -> np.ndarray:
        """The rows at some places, float16, of norm 1 or 0."""
        rows = self.rows[places]
        return unit_rows(self.features[rows]).astype(np.float16)


@flax.struct.dataclass
class TrainInputs:
    """What a training step reads besides the state, the same at every step."""

    model: ModelInputs
    interactions: jax.Array  # int32 `[n, 2]`, the positives: training pairs (user, item)
    history: Histories  # all training items of each user, including those rated below `min_rating`
    # float16 `[n, width]`, text features of the review of each interaction, rows of norm 1 or 0;
    # read for each batch where they are large; None where no loss reads them.
    review_text: jax.Array | MappedReviews | None = None

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, settings: ResolvedSettings) -> "TrainInputs":
        """Collects the training data of a prepared folder."""
        positive = dataset.is_positive(settings.min_rating)
        review_text: jax.Array | MappedReviews | None = None
        if settings.text_encoder != NONE and settings.exclude_target == "review":
            features = dataset.text_features(settings.text_encoder, "reviews")
            reviews = MappedReviews(features, dataset.review_rows("train")[positive])
            if reviews.is_large:
                reviews.expect_random_reads()
                review_text = reviews
            else:
                review_text = reviews.load()
        return cls(
            model=ModelInputs.from_dataset(dataset, settings),
            interactions=jax.device_put(dataset.train[positive]),
            history=Histories.from_pairs(dataset.train, dataset.n_users, dataset.n_items),
            review_text=review_text,
        )
