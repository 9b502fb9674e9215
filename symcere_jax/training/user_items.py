"""Which items belong to which user, on the device: `Interactions` for compiled programs."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data.interactions import Interactions
from symcere_jax.losses import ItemLists


@flax.struct.dataclass
class UserItems:
    """Some items of each user, in compressed sparse rows.

    Attributes:
        start: int32 `[n_users + 1]`; user u has `items[start[u]:start[u + 1]]`.
        items: int32 `[n]`, items of each user, ascending.
        longest: the most items of a user.
    """

    start: jax.Array
    items: jax.Array
    longest: int = flax.struct.field(pytree_node=False)

    @classmethod
    def from_pairs(cls, pairs: np.ndarray, n_users: int) -> "UserItems":
        """Collects int32 pairs `[n, 2]` (user, item)."""
        lists = Interactions.from_pairs(pairs, n_users)
        return cls(
            start=jnp.asarray(lists.indptr, jnp.int32),
            items=jnp.asarray(lists.indices),
            longest=int(np.diff(lists.indptr).max(initial=0)),
        )

    def counts(self, users: jax.Array) -> jax.Array:
        """Number of items of each of `users`, int32 `[b]`."""
        return self.start[users + 1] - self.start[users]

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
        return ItemLists(self.items, self.start[users], length, jnp.minimum(length, at_most), begin)

    def contains(self, users: jax.Array, items: jax.Array) -> jax.Array:
        """Whether an item is one of a user's, bool `[b]`.

        Args:
            users: int32 `[b]` user rows.
            items: int32 `[b]` item rows, one for each.
        """
        if self.longest == 0:
            return jnp.zeros(users.shape, bool)
        # A binary search in the list of each: at the end, `low` is where the item would stand.
        low, end = self.start[users], self.start[users + 1]
        high = end
        for _ in range(self.longest.bit_length()):
            middle = (low + high) // 2
            below = (low < high) & (self.items.at[middle].get(mode="clip") < items)
            low, high = jnp.where(below, middle + 1, low), jnp.where(below, high, middle)
        return (low < end) & (self.items.at[low].get(mode="clip") == items)

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
        start, end = self.start[users, None], self.start[users + 1, None]
        places = start + jnp.arange(self.longest)
        items = self.items[jnp.minimum(places, self.items.shape[0] - 1)]
        return jnp.where(places < end, items, fill)
