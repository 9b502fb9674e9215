"""Text features of reviews that would take too much memory, read from their file for each batch."""

import dataclasses
import os

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows

MAX_SHARE = 1 / 8  # of the memory that the text features of reviews may take
_LOADED_AT_ONCE = 2**16  # rows whose float32 is held


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, eq=False)
class MappedReviews:
    """Rows of a memory-mapped array; takes the place of an array on the device in a program.

    Attributes:
        features: float `[n_reviews, width]`, memory-mapped.
        rows: int `[n]`, of the features, those that there are.
    """

    features: np.ndarray
    rows: np.ndarray

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

    def __getitem__(self, places: jax.Array) -> jax.Array:
        """The rows at some places, as `read` has them; inside compiled programs."""
        shape = (*places.shape, self.features.shape[1])
        return jax.pure_callback(self.read, jax.ShapeDtypeStruct(shape, np.float16), places)

    def read(self, places: jax.Array | slice) -> np.ndarray:
        """The rows at some places, float16, of norm 1 or 0."""
        rows = self.rows[places if isinstance(places, slice) else np.asarray(places)]
        return unit_rows(self.features[rows]).astype(np.float16)
