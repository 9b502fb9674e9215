"""Lists of items, one for each user (or any other row), in compressed sparse rows."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.sparse


@dataclasses.dataclass(frozen=True)
class Interactions:
    """The items of each user in compressed sparse rows (CSR), named as SciPy names them."""

    indptr: np.ndarray  # int64 `[n_users + 1]`; user u has `indices[indptr[u]:indptr[u + 1]]`
    indices: np.ndarray  # int32 `[n]` items, ascending for each user

    @classmethod
    def from_pairs(cls, pairs: np.ndarray, n_users: int) -> "Interactions":
        """Groups pairs by user.

        Args:
            pairs: int32 `[n, 2]` distinct pairs (user, item), in any order.
            n_users: number of users, with and without items.
        """
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        counts = np.bincount(pairs[:, 0], minlength=n_users)
        return cls(_ends(counts), np.ascontiguousarray(pairs[order, 1], dtype=np.int32))

    @classmethod
    def from_rows(cls, rows: Sequence[np.ndarray]) -> "Interactions":
        """Joins the item lists of users.

        Args:
            rows: for each user an int array of distinct items, ascending.
        """
        indices = np.concatenate([*rows, np.zeros(0, np.int32)]).astype(np.int32)
        return cls(_ends([len(row) for row in rows]), indices)

    @classmethod
    def empty(cls, n_users: int) -> "Interactions":
        """No items for any user."""
        return cls(np.zeros(n_users + 1, np.int64), np.zeros(0, np.int32))

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.indptr) - 1

    def counts(self, users: np.ndarray | None = None) -> np.ndarray:
        """Number of items of each of `users`, int64 `[n]`; None: of all users."""
        if users is None:
            return np.diff(self.indptr)
        return self.indptr[users + 1] - self.indptr[users]

    def row(self, user: int) -> np.ndarray:
        """The items of a user, int32 `[m]`, ascending."""
        return self.indices[self.indptr[user] : self.indptr[user + 1]]

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
        return np.repeat(np.arange(len(users)), counts), self.indices[places]

    def matrix(self, n_items: int, values: np.ndarray | None = None) -> scipy.sparse.csr_array:
        """The sparse matrix of users and items, `[n_users, n_items]`.

        Args:
            n_items: number of columns.
            values: `[n]`, one for each interaction; None: float32 ones.
        """
        if values is None:
            values = np.ones(len(self.indices), np.float32)
        return scipy.sparse.csr_array((values, self.indices, self.indptr), (self.n_users, n_items))


def _ends(counts: np.ndarray | Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
