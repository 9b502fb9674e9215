"""Neighbours: how near an item is to single items of a user, not only to the mean of them.

The embedding of a user is a mean over the user's items. An item that is all but the same as one of
them, another edition of it, say, is then no nearer than one that is a little like all. With ẑ the
directions of the items' embeddings and I_u the training items of a user, this adds to a score

    w / τ · 1/|I_u| Σ_{j ∈ I_u} k(i, j),     k(i, j) = exp((ẑ_i · ẑ_j − 1) / h).

k is positive definite: of its matrix over the items, `K ≈ Φ Φᵀ` with at most `MAX_COLUMNS` columns,
exactly so for catalogues no larger. The sum is the inner product of Φ_i with the mean of Φ_j: a few
more columns of the embeddings, whose inner products scores remain. What the columns leave out is
next to nothing but the nearness of an item to itself.

Φ = K B with B from the leading eigenvectors of K, so that an item that comes later has a row, too:
its kernel with the items, times B (Nyström's method; Williams and Seeger, NeurIPS 2000).
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from symcere_jax.arrays import unit_rows
from symcere_jax.data.interactions import Interactions
from symcere_jax.models.symcere import Embeddings

BANDWIDTH = 1 / 16  # h: of the cosine, at which distance items are no neighbours any more
MAX_COLUMNS = 256
_OVERSAMPLES = 16
_N_ITERATIONS = 3
_BLOCK_ROWS = 128  # of the kernel, at a time


@dataclasses.dataclass(frozen=True)
class Neighbors:
    """The items of a model as neighbours of each other; in host memory.

    Attributes:
        directions: float32 `[n_items, dim]`, embeddings of the items over their norms.
        basis: float32 `[n_items, r]`, B.
        features: float32 `[n_items, r]`, Φ.
        weight: w / τ.
    """

    directions: np.ndarray
    basis: np.ndarray
    features: np.ndarray
    weight: float

    @classmethod
    def of(cls, items: np.ndarray, weight: float) -> "Neighbors":
        """Finds Φ by a few subspace iterations, in blocks: no items × items array is kept.

        Args:
            items: float `[n_items, dim]` embeddings.
            weight: w / τ.
        """
        directions = unit_rows(items)
        n = len(directions)
        if n <= MAX_COLUMNS + _OVERSAMPLES:
            base = np.eye(n)
        else:
            base = np.random.RandomState(0).normal(size=(n, MAX_COLUMNS + _OVERSAMPLES))
            for _ in range(_N_ITERATIONS):
                base, _ = np.linalg.qr(_kernel_times(directions, directions, base))
        image = _kernel_times(directions, directions, base)
        values, vectors = np.linalg.eigh(base.T @ image)
        kept = np.flatnonzero(values > 1e-5 * values[-1:])[::-1][:MAX_COLUMNS]
        turn = vectors[:, kept] / np.sqrt(values[kept])
        basis, features = (np.asarray(side @ turn, np.float32) for side in (base, image))
        return cls(directions, basis, features, weight)

    def of_items(self, items: np.ndarray) -> np.ndarray:
        """The columns of further items.

        Args:
            items: float `[n, dim]` embeddings.

        Returns:
            float32 `[n, r]`.
        """
        return _kernel_times(unit_rows(items), self.directions, self.basis).astype(np.float32)

    def of_users(self, items: Sequence[np.ndarray] | Interactions) -> np.ndarray:
        """The columns of users.

        Args:
            items: rows of the items of each; a user without items gets zeros.

        Returns:
            float32 `[n_users, r]`, the weight among them.
        """
        if not isinstance(items, Interactions):
            lengths = [len(rows) for rows in items]
            flat = np.concatenate([*map(np.asarray, items), np.zeros(0)])
            items = Interactions(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), flat)
        counts = np.diff(items.indptr)
        shares = np.repeat(self.weight / np.maximum(counts, 1), counts).astype(np.float32)
        shape = (len(counts), len(self.features))
        return scipy.sparse.csr_array((shares, items.items, items.indptr), shape) @ self.features

    def added_to(self, embeddings: Embeddings, items: Interactions) -> Embeddings:
        """Embeddings that score with neighbours.

        Args:
            embeddings: those that this was made of.
            items: training items of the users.
        """
        return embeddings.replace(  # type: ignore[attr-defined]
            user_neighbors=jnp.asarray(self.of_users(items)),
            item_neighbors=jnp.asarray(self.features),
        )


def _kernel_times(rows: np.ndarray, columns: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """`K F` with the kernel of rows `[m, d]` and columns `[n, d]`, float64 `[m, r]`."""
    padded = np.zeros((-(-len(rows) // _BLOCK_ROWS) * _BLOCK_ROWS, rows.shape[1]), np.float32)
    padded[: len(rows)] = rows
    product = _padded_kernel_times(padded, columns, factor.astype(np.float32))
    return np.asarray(product, np.float64)[: len(rows)]


@jax.jit
def _padded_kernel_times(rows: jax.Array, columns: jax.Array, factor: jax.Array) -> jax.Array:
    def block(some: jax.Array) -> jax.Array:
        return jnp.exp((some @ columns.T - 1) / BANDWIDTH) @ factor

    blocks = rows.reshape(-1, _BLOCK_ROWS, rows.shape[1])
    return jax.lax.map(block, blocks).reshape(len(rows), -1)
