"""Lists of items per user inside compiled programs."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data.interactions import Interactions
from symcere_jax.losses import ItemLists


@flax.struct.dataclass
class Histories:
    """Some items of each user, in compressed sparse rows on the device.

    Attributes:
        indptr: int32 `[n_users + 1]`; user u has `indices[indptr[u]:indptr[u + 1]]`.
        indices: int32 `[n]` items, ascending for each user.
        longest: the most items of a user.
    """

    indptr: jax.Array
    indices: jax.Array
    longest: int = flax.struct.field(pytree_node=False)

    @classmethod
    def from_pairs(cls, pairs: np.ndarray, n_users: int) -> "Histories":
        """Collects int32 pairs `[n, 2]` (user, item)."""
        lists = Interactions.from_pairs(pairs, n_users)
        longest = int(np.diff(lists.indptr).max(initial=0))
        return cls(jnp.asarray(lists.indptr, jnp.int32), jnp.asarray(lists.indices), longest)

    def counts(self, users: jax.Array) -> jax.Array:
        """Number of items of each of `users`, int32 `[b]`."""
        return self.indptr[users + 1] - self.indptr[users]

    def lists(self, users: jax.Array, at_most: int, first: jax.Array | None = None) -> ItemLists:
        """The items of `users`, without padding.

        Args:
            users: int32 `[b]` user rows.
            at_most: how many items of a user are read.
            first: int32 `[b]`, which item of a longer list to begin with, counted round and round.
                None: the first one.
        """
        length = self.counts(users)
        begin = jnp.zeros_like(length) if first is None else first % jnp.maximum(length, 1)
        return ItemLists(
            self.indices, self.indptr[users], length, jnp.minimum(length, at_most), begin
        )

    def contains(self, users: jax.Array, items: jax.Array) -> jax.Array:
        """Whether an item is one of a user's, bool `[b]`.

        Args:
            users: int32 `[b]` user rows.
            items: int32 `[b]` item rows, one for each.
        """
        if self.longest == 0:
            return jnp.zeros(users.shape, bool)
        # A binary search in the list of each: at the end, `low` is where the item would stand.
        low, end = self.indptr[users], self.indptr[users + 1]
        high = end
        for _ in range(self.longest.bit_length()):
            middle = (low + high) // 2
            below = (low < high) & (self.indices.at[middle].get(mode="clip") < items)
            low, high = jnp.where(below, middle + 1, low), jnp.where(below, high, middle)
        return (low < end) & (self.indices.at[low].get(mode="clip") == items)

    def padded(self, users: jax.Array, fill: int) -> jax.Array:
        """The items of `users` as a rectangle.

        Args:
            users: int32 `[b]` user rows.
            fill: follows a user's last item.

        Returns:
            int32 `[b, longest]`.
        """
        if self.longest == 0:
            return jnp.zeros((users.shape[0], 0), jnp.int32)
        start, end = self.indptr[users, None], self.indptr[users + 1, None]
        places = start + jnp.arange(self.longest)
        items = self.indices[jnp.minimum(places, self.indices.shape[0] - 1)]
        return jnp.where(places < end, items, fill)
