"""Neighborhoods: the k most similar others of each item or user, and scores from them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from symcere_jax.baselines.scorer import Scorer, training_histories
from symcere_jax.data import Histories, ReviewDataset

Similarities = Callable[[slice], np.ndarray]
"""Gives float `[b, n_items]`, a new array, for a slice of b items."""

_BLOCK_BYTES = 64 * 2**20  # similarities held at once


def fit_similar_items(
    dataset: ReviewDataset,
    similarities: Similarities,
    k: int,
    amplification: float = 1.0,
) -> Scorer:
    """A scorer by the k nearest items of each item; `amplification` is a power of similarities."""
    items, weights = nearest_neighbors(similarities, dataset.n_items, k)
    tables = jnp.asarray(items), jnp.asarray(weights**amplification)
    return Scorer(score_neighbors, (training_histories(dataset), *tables))


def score_neighbors(params: tuple[Histories, jax.Array, jax.Array], users: jax.Array) -> jax.Array:
    """Sums the similarities of the users' items: `s_ui = Σ_{j ∈ history of u, i ∈ N_k(j)} w_ji`.

    The parameters are the histories of the users, and of each item its neighbors, int32
    `[n_items, k]`, and their similarities, float32 of the same shape.

    Source: M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", TOIS 2004.
    """
    histories, neighbors, similarities = params
    n_items = len(neighbors)
    rows = jnp.arange(len(users))[:, None]

    def add(scores: jax.Array, items: jax.Array) -> tuple[jax.Array, None]:
        # A rank of the histories at a time: no array [b, history, k].
        columns = neighbors.at[items].get(mode="fill", fill_value=n_items)
        weights = similarities.at[items].get(mode="fill", fill_value=0)
        return scores.at[rows, columns].add(weights, mode="drop"), None

    history = histories.padded(users, n_items)
    return jax.lax.scan(add, jnp.zeros((len(users), n_items)), history.T)[0]


def shrunk_cosines(rows: scipy.sparse.csr_array, shrinkage: float) -> Similarities:
    """Similarities `w_ij = n_ij / (sqrt(n_i n_j) + shrinkage)` of sets.

    Args:
        rows: ones where a set has a member, `[n, n_members]`; `n_i` is the size of set i, `n_ij`
            the number of members of both i and j.
        shrinkage: against similarities of few members.
    """
    columns = rows.T.tocsc()
    norms = np.sqrt(np.diff(rows.indptr))

    def similarities(block: slice) -> np.ndarray:
        common = (rows[block] @ columns).toarray()
        scale = norms[block, None] * norms + shrinkage
        return common / np.where(scale > 0, scale, 1)

    return similarities


def nearest_neighbors(similarities: Similarities, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k most similar others of each item (or user), by blocks of them.

    Args:
        similarities: gives float `[b, n]`, a new array, for a slice of b items.
        n: number of items.
        k: number of neighbors; may exceed the number of other items.

    Returns:
        int32 `[n, min(k, n)]` items, the most similar first, and their similarities,
        float32; an item itself and items of a similarity below 0 have 0.
    """
    k = min(k, n)
    items = np.empty((n, k), np.int32)
    weights = np.empty((n, k), np.float32)
    step = max(1, _BLOCK_BYTES // (8 * n))
    for first in range(0, n, step):
        rows = slice(first, min(first + step, n))
        block = similarities(rows)
        block[np.arange(len(block)), np.arange(n)[rows]] = 0
        weights[rows], items[rows] = jax.lax.top_k(jnp.asarray(block, jnp.float32), k)
    return items, np.maximum(weights, 0)
