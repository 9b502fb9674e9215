"""Which items belong to which user, on the device: `Interactions` for compiled programs."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data.interactions import Interactions


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
            items=jnp.asarray(lists.items),
            longest=int(np.diff(lists.indptr).max(initial=0)),
        )

    def counts(self, users: jax.Array) -> jax.Array:
        """Number of items of each of `users`, int32 `[b]`."""
        return self.start[users + 1] - self.start[users]

    def padded(
        self,
        users: jax.Array,
        fill: int,
        width: int | None = None,
        first: jax.Array | None = None,
    ) -> jax.Array:
        """The items of `users` as a rectangle.

        Args:
            users: int32 `[b]` user rows.
            fill: follows a user's last item.
            width: the most columns; of a user with more items, as many of them. None: all items.
            first: int32 `[b]`, how many items to leave out at the start of a list; they follow at
                its end, as far as there is room. None: none.

        Returns:
            int32 `[b, min(longest, width)]`.
        """
        if self.longest == 0:
            return jnp.zeros((users.shape[0], 0), jnp.int32)
        start, end = self.start[users, None], self.start[users + 1, None]
        ranks = jnp.arange(self.longest if width is None else min(self.longest, width))
        places = start + ranks
        if first is not None:
            places = start + (ranks + first[:, None]) % jnp.maximum(end - start, 1)
        items = self.items[jnp.minimum(places, self.items.shape[0] - 1)]
        return jnp.where(start + ranks < end, items, fill)
