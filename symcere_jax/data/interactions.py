"""Which items belong to which user, in compressed sparse rows."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Interactions:
    """The items of each user, in compressed sparse rows.

    Attributes:
        indptr: int64 `[n_users + 1]`; user u has `items[indptr[u]:indptr[u + 1]]`.
        items: int32 `[n]`, ascending for each user.
    """

    indptr: np.ndarray
    items: np.ndarray

    @classmethod
    def from_pairs(cls, pairs: np.ndarray, n_users: int) -> "Interactions":
        """Groups pairs by user.

        Args:
            pairs: int32 `[n, 2]` distinct pairs (user, item), in any order.
            n_users: number of users, with and without items.
        """
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        counts = np.bincount(pairs[:, 0], minlength=n_users)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        return cls(indptr, np.ascontiguousarray(pairs[order, 1], dtype=np.int32))

    def counts(self, users: np.ndarray) -> np.ndarray:
        """Number of items of each of `users`, int64 `[n]`."""
        return self.indptr[users + 1] - self.indptr[users]

    def flat(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The items of `users`, one after the other.

        Args:
            users: int `[n]` user rows; repeats are allowed.

        Returns:
            int64 `[m]` positions in `users`, ascending, and int32 `[m]` items.
        """
        counts = self.counts(users)
        ends = np.cumsum(counts)
        places = np.arange(counts.sum()) + np.repeat(self.indptr[users] - ends + counts, counts)
        return np.repeat(np.arange(len(users)), counts), self.items[places]

    def padded(self, users: np.ndarray, fill: int, width: int | None = None) -> np.ndarray:
        """The items of `users` as a rectangle.

        Args:
            users: int `[n]` user rows.
            fill: what follows a user's last item; larger than any item keeps rows ascending.
            width: number of columns; the longest list of `users` where it is None.

        Returns:
            int32 `[n, width]`.

        Raises:
            ValueError: a user has more than `width` items.
        """
        counts = self.counts(users)
        longest = int(counts.max(initial=0))
        if width is None:
            width = longest
        if longest > width:
            raise ValueError(f"width is {width}, but a user has {longest} items")
        table = np.full((len(users), width), fill, np.int32)
        # Row-major order of the mask is the order of `flat`.
        table[np.arange(width) < counts[:, None]] = self.flat(users)[1]
        return table
