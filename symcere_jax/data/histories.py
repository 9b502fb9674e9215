"""The items of each user on the device, for compiled programs."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data.interactions import Interactions


@flax.struct.dataclass
class Histories:
    """`Interactions` as a pytree of JAX arrays."""

    indptr: jax.Array  # int32 `[n_users + 1]`; user u has `indices[indptr[u]:indptr[u + 1]]`
    indices: jax.Array  # int32 `[n]` items, ascending for each user
    n_items: int = flax.struct.field(pytree_node=False)  # size of the catalog
    longest: int = flax.struct.field(pytree_node=False)  # the most items of a user

    @classmethod
    def from_pairs(cls, pairs: np.ndarray, n_users: int, n_items: int) -> "Histories":
        """Groups distinct int32 pairs `[n, 2]` (user, item) by user."""
        lists = Interactions.from_pairs(pairs, n_users)
        indptr, indices = jax.device_put((lists.indptr.astype(np.int32), lists.indices))
        return cls(indptr, indices, n_items, int(lists.counts().max(initial=0)))

    def counts(self, users: jax.Array) -> jax.Array:
        """Number of items of each of `users`, int32 `[b]`."""
        return self.indptr[users + 1] - self.indptr[users]

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
        """The items of `users`, int32 `[b, longest]`, `fill` after the last item of each."""
        if self.longest == 0:
            return jnp.zeros((users.shape[0], 0), jnp.int32)
        start, end = self.indptr[users, None], self.indptr[users + 1, None]
        places = start + jnp.arange(self.longest)
        return jnp.where(places < end, self.indices.at[places].get(mode="clip"), fill)

    def multi_hot(self, users: jax.Array) -> jax.Array:
        """Rows of the interaction matrix, float32 `[b, n_items]`."""
        rows = jnp.arange(len(users))[:, None]
        items = self.padded(users, self.n_items)
        return jnp.zeros((len(users), self.n_items)).at[rows, items].set(1, mode="drop")
