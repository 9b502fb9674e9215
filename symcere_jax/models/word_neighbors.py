"""Items as neighbors of each other: those whose reviews share words that few items have.

With F the TF-IDF weights of the words in all training reviews of an item, less their mean over the
items, in rows of norm 1, the score of a user with the training items I_u is

    s_ui = 1/|I_u| Σ_{j ∈ I_u} F_i · F_j.

With the largest eigenvalues λ of `F Fᵀ` and their vectors V, at most `MAX_COLUMNS`, F is replaced
by `Φ = V λ^½`, which ranks no worse. So a score is the inner product of Φ_i and the mean of Φ_j.

A new item has a row of Φ, too: the ridge regression of Φ on the text features, which can be made of
any text.
"""

import dataclasses

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits

from symcere_jax.arrays import unit_rows
from symcere_jax.data.interactions import Interactions

MAX_ITEMS = 16_384
MAX_COLUMNS = 256
_FEW_ITEMS = 1 << 11  # of which the whole matrix is decomposed
_LEAST_EIGENVALUE = 1e-6  # relative to the largest; smaller ones are rounding errors
_RIDGE = 1e-2  # of the regression, for features whose squares have a mean of 1


@dataclasses.dataclass(frozen=True)
class WordNeighbors:
    """The items as neighbors of each other; in host memory.

    Attributes:
        features: float32 `[n_items, r]`, Φ; followed by those of new items.
        text_map: float32 `[width + 1, r]`, from text features, followed by 1, to Φ.
    """

    features: np.ndarray
    text_map: np.ndarray

    @classmethod
    def fit(cls, words: scipy.sparse.csr_matrix, text: np.ndarray) -> "WordNeighbors":
        """Decomposes `F Fᵀ`.

        Args:
            words: float `[n_items, n_words]`, TF-IDF weights in rows of norm 1, or 0.
            text: float `[n_items, width]` text features of the items.
        """
        values, vectors = _eigenpairs(words)
        is_kept = values > max(_LEAST_EIGENVALUE * values.max(initial=0), 1e-12)
        features = vectors[:, is_kept] * np.sqrt(values[is_kept])
        inputs = _with_one(text)
        gram = inputs.T @ inputs
        ridge = _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        text_map = np.linalg.solve(gram + ridge, inputs.T @ features)
        return cls(np.asarray(features, np.float32), np.asarray(text_map, np.float32))

    def features_of(self, text: np.ndarray) -> np.ndarray:
        """Φ of new items, float32 `[n, r]`; 0 without text.

        Args:
            text: float `[n, width]` text features.
        """
        has_text = np.any(text, axis=1, keepdims=True)
        return np.asarray(_with_one(text) @ self.text_map * has_text, np.float32)

    def user_columns(self, items: Interactions) -> np.ndarray:
        """The means of Φ_j over the items of each user, float32 `[n_users, r]`; 0 without items.

        Args:
            items: of each user.
        """
        counts = items.counts()
        shares = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
        return items.matrix(len(self.features), shares) @ self.features

    def shares(self, history: np.ndarray, item: int) -> np.ndarray:
        """What each item of a user's history adds to the score of an item, float64 `[n]`.

        Args:
            history: int `[n]` rows of all items of the user.
            item: row of the item.
        """
        target = self.features[item].astype(np.float64)
        return self.features[history].astype(np.float64) @ target / max(len(history), 1)

    def with_items(self, text: np.ndarray) -> "WordNeighbors":
        """One that knows new items as well, behind the others.

        Args:
            text: float `[n, width]` text features of the new items.
        """
        rows = np.concatenate([self.features, self.features_of(text)])
        return dataclasses.replace(self, features=rows)


def _eigenpairs(words: scipy.sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues of `F Fᵀ`, float64 `[r]`, and vectors, float64 `[n_items, r]`."""
    n_items = words.shape[0]
    words = words.astype(np.float64)
    mean = np.asarray(words.mean(axis=0)).ravel()
    squares = np.asarray(words.multiply(words).sum(axis=1)).ravel() - 2 * (words @ mean)
    norms = np.sqrt(np.maximum(squares + mean @ mean, 0))
    # An item that has the words of all items, or none, is nobody's neighbor.
    scales = np.where((norms > 1e-6) & (words.getnnz(axis=1) > 0), 1 / np.maximum(norms, 1e-6), 0)
    transposed = words.T.tocsr()

    def times(x: np.ndarray) -> np.ndarray:
        scaled = (scales * x.T).T
        sums = transposed @ scaled - np.multiply.outer(mean, scaled.sum(axis=0))
        return (scales * (words @ sums - mean @ sums).T).T

    if n_items <= max(_FEW_ITEMS, MAX_COLUMNS):
        values, vectors = np.linalg.eigh(times(np.eye(n_items)))
        return values[-MAX_COLUMNS:], vectors[:, -MAX_COLUMNS:]
    start = np.random.default_rng(0).normal(size=n_items)
    operator = LinearOperator((n_items, n_items), matvec=times, dtype=np.float64)
    with threadpool_limits(1):  # products are small, and threads would wait for each other
        return eigsh(operator, MAX_COLUMNS, v0=start, tol=1e-3)


def _with_one(text: np.ndarray) -> np.ndarray:
    """Text features in rows of norm 1, followed by a 1."""
    return np.concatenate([unit_rows(text, np.float64), np.ones((len(text), 1))], axis=1)
