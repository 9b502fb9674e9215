"""Items as neighbors: how near an item is to single items of a user, not only to their mean.

The embedding of a user is a mean over the user's items. An item that is almost the same as one of
them, such as another edition, is then no nearer than one that is a little like all. With ẑ the
directions of the items' embeddings and I_u the training items of a user, this adds to a score

    w / τ · 1/|I_u| Σ_{j ∈ I_u} k(i, j),     k(i, j) = exp((ẑ_i · ẑ_j − 1) / h),     k(i, i) = 0.

The matrix K of k over the items is symmetric: with its eigenvalues λ and eigenvectors V it is
`Φ S Φᵀ`, `Φ = V |λ|^½`, `S = sign(λ)`. So the sum is an inner product of Φ_i and the mean of S Φ_j:
scores remain inner products, of embeddings with further columns. There are at most `MAX_COLUMNS`,
of the largest |λ|: exact for catalogs no larger; in a larger one, with more near-duplicates than
columns, each of them gets less than k.

Φ = K B with `B = V S |λ|^-½`, so that a new item has a row, too: its kernel with the items, times B
(Nyström's method; Williams and Seeger, NeurIPS 2000).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.data.interactions import Interactions
from symcere_jax.models.scores import Embeddings

BANDWIDTH = 1 / 16  # h: of the cosine, the distance at which items stop being neighbors
MAX_COLUMNS = 256
_OVERSAMPLES = 16
_N_ITERATIONS = 3
_LEAST_EIGENVALUE = 1e-6  # relative to the largest; smaller ones are rounding errors
_BLOCK_ROWS = 128  # of the kernel, at a time


@dataclasses.dataclass(frozen=True)
class ItemNeighbors:
    """The items of a model as neighbors of each other; in host memory.

    Attributes:
        directions: float32 `[n_items, dim]`, embeddings of the items over their norms.
        basis: float32 `[n_items, r]`, B.
        features: float32 `[n_items, r]`, Φ; followed by those of new items.
        signs: float32 `[r]`, S.
        weight: w / τ.
    """

    directions: np.ndarray
    basis: np.ndarray
    features: np.ndarray
    signs: np.ndarray
    weight: float

    @classmethod
    def fit(cls, items: np.ndarray, weight: float) -> "ItemNeighbors":
        """Computes Φ by a few subspace iterations, in blocks: without an items × items array.

        Args:
            items: float `[n_items, dim]` embeddings.
            weight: w / τ.
        """
        directions = unit_rows(items)
        n = len(directions)
        itself = np.exp(((directions**2).sum(axis=1, keepdims=True) - 1) / BANDWIDTH)

        def times(factor: np.ndarray) -> np.ndarray:
            return _kernel_times(directions, directions, factor) - itself * factor

        if n <= MAX_COLUMNS + _OVERSAMPLES:
            base = np.eye(n)
        else:
            base = np.random.RandomState(0).normal(size=(n, MAX_COLUMNS + _OVERSAMPLES))
            for _ in range(_N_ITERATIONS):
                base, _ = np.linalg.qr(times(base))
        image = times(base)
        values, vectors = np.linalg.eigh(base.T @ image)
        sizes = np.abs(values)
        order = np.argsort(-sizes, kind="stable")[:MAX_COLUMNS]
        kept = order[sizes[order] > max(_LEAST_EIGENVALUE * sizes.max(), np.finfo(float).tiny)]
        signs = np.sign(values[kept])
        turn = vectors[:, kept] * (signs / np.sqrt(sizes[kept]))
        basis, features = (np.asarray(side @ turn, np.float32) for side in (base, image))
        return cls(directions, basis, features, signs.astype(np.float32), weight)

    def features_of(self, items: np.ndarray) -> np.ndarray:
        """Φ of new items, float32 `[n, r]`.

        Args:
            items: float `[n, dim]` embeddings.
        """
        return _kernel_times(unit_rows(items), self.directions, self.basis).astype(np.float32)

    @property
    def item_columns(self) -> np.ndarray:
        """The further columns of all items, times the weight, float32 `[n_items, r]`."""
        return self.features * np.float32(self.weight)

    def user_columns(self, items: Interactions) -> np.ndarray:
        """The further columns of users, float32 `[n_users, r]`; zeros without items.

        Args:
            items: of each user.
        """
        counts = items.counts()
        shares = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
        return items.matrix(len(self.features), shares) @ self.features * self.signs

    def shares(self, history: np.ndarray, item: int) -> np.ndarray:
        """What each item of a user's history adds to the score of an item.

        Args:
            history: int `[n]` rows of all items of the user.
            item: row of the item.

        Returns:
            float64 `[n]`.
        """
        features = self.features.astype(np.float64)
        near = features[history] @ (self.signs * features[item])
        return self.weight / max(len(history), 1) * near

    def added_to(self, embeddings: Embeddings, items: Interactions) -> Embeddings:
        """Embeddings whose scores count neighbors.

        Args:
            embeddings: those that this was fitted to.
            items: training items of the users.
        """
        return dataclasses.replace(
            embeddings,
            user_neighbors=jnp.asarray(self.user_columns(items)),
            item_neighbors=jnp.asarray(self.item_columns),
        )


def _kernel_times(rows: np.ndarray, columns: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """`K F` with the kernel of rows `[m, d]` and columns `[n, d]`, float64 `[m, r]`."""
    padded = np.zeros((-(-len(rows) // _BLOCK_ROWS) * _BLOCK_ROWS, rows.shape[1]), np.float32)
    padded[: len(rows)] = rows
    product = _padded_kernel_times(padded, columns, factor.astype(np.float32))
    return np.asarray(product, np.float64)[: len(rows)]


@jax.jit
def _padded_kernel_times(rows: jax.Array, columns: jax.Array, factor: jax.Array) -> jax.Array:
    def block(part: jax.Array) -> jax.Array:
        return jnp.exp((part @ columns.T - 1) / BANDWIDTH) @ factor

    blocks = rows.reshape(-1, _BLOCK_ROWS, rows.shape[1])
    return jax.lax.map(block, blocks).reshape(-1, factor.shape[1])
