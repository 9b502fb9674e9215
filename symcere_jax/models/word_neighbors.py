"""Neighbors by words: items whose reviews share words that few items have.

F has the TF-IDF weights of the words in all training reviews of an item, less their mean over the
items, in rows of norm 1. With the largest eigenvalues λ of `F Fᵀ` and their vectors V, at most
`MAX_COLUMNS`, the features of the items are `Φ = V λ^½`, which rank no worse than F.

The row of Φ of a new item is a ridge regression on its text features.
"""

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits

from symcere_jax.models.item_neighbors import ItemNeighbors, with_one

MAX_ITEMS = 16_384
MAX_COLUMNS = 256
_FEW_ITEMS = 1 << 11  # of which the whole matrix is decomposed
_LEAST_EIGENVALUE = 1e-6  # relative to the largest; smaller ones are rounding errors
_RIDGE = 1e-2  # of the regression, for features whose squares have a mean of 1


def word_neighbors(words: scipy.sparse.csr_matrix, text: np.ndarray) -> ItemNeighbors:
    """Decomposes `F Fᵀ`, and fits the regression for new items.

    Args:
        words: float `[n_items, n_words]`, TF-IDF weights in rows of norm 1, or 0.
        text: float `[n_items, width]` text features of the items.
    """
    values, vectors = _eigenpairs(words)
    is_kept = values > max(_LEAST_EIGENVALUE * values.max(initial=0), 1e-12)
    features = vectors[:, is_kept] * np.sqrt(values[is_kept])
    inputs = with_one(text)
    gram = inputs.T @ inputs
    ridge = _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    text_map = np.linalg.solve(gram + ridge, inputs.T @ features)
    return ItemNeighbors(np.asarray(features, np.float32), np.asarray(text_map, np.float32))


def _eigenpairs(words: scipy.sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues of `F Fᵀ`, float64 `[r]`, and vectors, float64 `[n_items, r]`."""
    n_items = words.shape[0]
    words = words.astype(np.float64)
    mean = np.asarray(words.mean(axis=0)).ravel()
    squares = np.asarray(words.multiply(words).sum(axis=1)).ravel() - 2 * (words @ mean)
    norms = np.sqrt(np.maximum(squares + mean @ mean, 0))
    # An item that has the words of all items, or none, has no neighbors.
    scales = np.where((norms > 1e-6) & (words.getnnz(axis=1) > 0), 1 / np.maximum(norms, 1e-6), 0)
    transposed = words.T.tocsr()

    def times(x: np.ndarray) -> np.ndarray:
        scaled = (scales * x.T).T
        sums = transposed @ scaled - np.multiply.outer(mean, scaled.sum(axis=0))
        return (scales * (words @ sums - mean @ sums).T).T

    # Beside another program, threads would wait for each other, and take 30 times as long.
    with threadpool_limits(1):
        if n_items <= max(_FEW_ITEMS, MAX_COLUMNS):
            values, vectors = np.linalg.eigh(times(np.eye(n_items)))
            return values[-MAX_COLUMNS:], vectors[:, -MAX_COLUMNS:]
        start = np.random.default_rng(0).normal(size=n_items)
        operator = LinearOperator((n_items, n_items), matvec=times, dtype=np.float64)
        return eigsh(operator, MAX_COLUMNS, v0=start, tol=1e-3)
