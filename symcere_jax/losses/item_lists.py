"""Lists of items, one for each anchor, that are read without padding them to the longest."""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

_TILE = 32  # items of a list that are read together


@flax.struct.dataclass
class ItemLists:
    """A list of items for each of some anchors: parts of one array.

    Usually a few lists are long and many are short. They are read tile by tile, twice as many tiles
    at a time as there are anchors, so the time is proportional to the number of items.
    """

    items: jax.Array  # int32 `[n]`, the items of all lists, and possibly others
    start: jax.Array  # int32 `[a]`, where the list of each anchor starts
    length: jax.Array  # int32 `[a]`, length of the list of each anchor
    n_read: jax.Array  # int32 `[a]`, how many of its items are read, at most the length
    # int32 `[a]`, below the length (or 0), which item is read first; reading wraps around at the
    # end of the list.
    first: jax.Array

    @classmethod
    def from_rows(cls, rows: np.ndarray | jax.Array) -> "ItemLists":
        """Lists of equal length, int32 `[a, h]`."""
        n_rows, length = rows.shape
        lengths = jnp.full(n_rows, length, jnp.int32)
        start = jnp.arange(n_rows, dtype=jnp.int32) * length
        return cls(jnp.asarray(rows).reshape(-1), start, lengths, lengths, jnp.zeros_like(start))

    def mask(self, n_columns: int, column_of: Callable[[jax.Array], jax.Array]) -> jax.Array:
        """Which columns the items of each list stand for.

        Args:
            n_columns: number of columns.
            column_of: gives the columns of items, int32 of any shape; outside of
                `0 … n_columns - 1` an item has no effect.

        Returns:
            bool `[a, n_columns]`.
        """
        n_lists, n_items = self.start.shape[0], self.items.shape[0]
        marks = jnp.zeros((n_lists, n_columns), bool)
        if not n_lists or not n_items:
            return marks
        n_tiles = -(-self.n_read // _TILE)
        ends = jnp.cumsum(n_tiles)
        n_at_once = 2 * n_lists

        def read(number: jax.Array, marks: jax.Array) -> jax.Array:
            tiles = number * n_at_once + jnp.arange(n_at_once)
            lists = jnp.searchsorted(ends, tiles, side="right")
            anchors = jnp.minimum(lists, n_lists - 1)[:, None]
            tile_in_list = tiles[:, None] - (ends - n_tiles)[anchors]
            ranks = tile_in_list * _TILE + jnp.arange(_TILE)
            is_read = (lists < n_lists)[:, None] & (ranks < self.n_read[anchors])
            ranks = ranks + self.first[anchors]
            lengths = self.length[anchors]
            places = self.start[anchors] + jnp.where(ranks < lengths, ranks, ranks - lengths)
            items = self.items.at[places].get(mode="clip")
            columns = column_of(items)
            # A negative index would count from the end.
            columns = jnp.where(is_read & (columns >= 0), columns, n_columns)
            return marks.at[anchors, columns].set(True, mode="drop")

        # Counted one by one: XLA leaves out a loop whose bound is less than its step.
        return jax.lax.fori_loop(0, -(-ends[-1] // n_at_once), read, marks)


@flax.struct.dataclass
class ItemRows:
    """Rows of items among candidates that are consecutive in a cycle of all items."""

    places: jax.Array  # int32 `[n_items]`, of each item in the cycle
    first: jax.Array  # int32 scalar, place of the first candidate

    def of(self, items: jax.Array) -> jax.Array:
        """The row of each item, the number of candidates or more where it is none of them.

        Args:
            items: int32, any shape; unknown ones, `n_items` and above, are no candidates.
        """
        n_items = self.places.shape[0]
        rows = self.places.at[items].get(mode="fill", fill_value=0) - self.first
        rows = jnp.where(rows < 0, rows + n_items, rows)
        return jnp.where(items < n_items, rows, n_items)
