"""The k nearest neighbors of each item or user, and scores from them."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from symcere_jax.baselines.base import Baseline, Scorer, interaction_matrix, training_histories
from symcere_jax.data import Histories, ReviewDataset

Similarities = Callable[[slice], np.ndarray]
"""Gives float `[b, n_items]`, a new array, for a slice of b items."""

_BLOCK_BYTES = 64 * 2**20  # similarities held at once


@dataclasses.dataclass(frozen=True)
class ItemKnn(Baseline):
    """Item kNN: items that the same users interacted with, by `shrunk_cosines`."""

    title = "item kNN"
    space: ClassVar = {
        "k": (5, 10, 20, 50, 100, 200, 500),
        "shrinkage": (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
    }
    k: int = 100  # neighbors of each item
    shrinkage: float = 10.0  # added to the denominator, against similarities of few users

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        similarities = shrunk_cosines(interaction_matrix(dataset).T.tocsr(), self.shrinkage)
        return fit_similar_items(dataset, similarities, self.k)


@dataclasses.dataclass(frozen=True)
class Rp3Beta(Baseline):
    """RP3beta: walks of three steps over the graph, with popular items held back.

    Neighbors by `w_ji = n_i^-beta Σ_u (n_j n_u)^-alpha` over the users u of both; `n` is the number
    of training interactions of a node. The first step, from a user to an item of the history, has
    the same probability for all of them.

    Source: F. Christoffel, B. Paudel, C. Newell, A. Bernstein, "Blockbusters and Wallflowers:
    Accurate, Diverse, and Scalable Recommendations with Random Walks", RecSys 2015.
    """

    title = "RP3beta"
    space: ClassVar = {
        "k": (20, 50, 100, 200, 500),
        "alpha": (0.5, 0.75, 1.0, 1.25, 1.5),
        "beta": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7),
    }
    k: int = 100  # neighbors of each item
    alpha: float = 1.0  # power of the probabilities of a step
    beta: float = 0.3  # power of an item's popularity that scores are divided by; 0: P3alpha

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        matrix = interaction_matrix(dataset)
        per_user = np.maximum(dataset.user_counts(), 1).astype(np.float64)
        per_item = np.maximum(dataset.item_counts(), 1).astype(np.float64)
        from_item = (scipy.sparse.diags_array(per_item**-self.alpha) @ matrix.T).tocsr()
        to_item = scipy.sparse.diags_array(per_user**-self.alpha) @ matrix
        share = per_item**-self.beta
        return fit_similar_items(
            dataset, lambda rows: (from_item[rows] @ to_item).toarray() * share, self.k
        )


@dataclasses.dataclass(frozen=True)
class UserKnn(Baseline):
    """User kNN: what users with the same items, by `shrunk_cosines`, interacted with."""

    title = "user kNN"
    space: ClassVar = {
        "k": (10, 20, 50, 100, 200, 500),
        "shrinkage": (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
    }
    k: int = 100  # neighbors of each user
    shrinkage: float = 10.0  # added to the denominator, against similarities of few items

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        similarities = shrunk_cosines(interaction_matrix(dataset), self.shrinkage)
        tables = nearest_neighbors(similarities, dataset.n_users, self.k)
        return Scorer(
            _score_similar_users, (training_histories(dataset), *map(jnp.asarray, tables))
        )


def _score_similar_users(
    params: tuple[Histories, jax.Array, jax.Array], users: jax.Array
) -> jax.Array:
    """Sums the similarities of the neighbors that have an item: `s_ui = Σ_{v ∈ N_k(u)} w_uv x_vi`.

    The parameters are those of `score_neighbors`, of users.
    """
    histories, neighbors, similarities = params

    def add(scores: jax.Array, rank: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        others, weights = rank
        return scores + weights[:, None] * histories.multi_hot(others), None

    start = jnp.zeros((len(users), histories.n_items))
    return jax.lax.scan(add, start, (neighbors[users].T, similarities[users].T))[0]


def fit_similar_items(
    dataset: ReviewDataset, similarities: Similarities, k: int, amplification: float = 1.0
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

    Rows `[n, n_members]` have ones where a set has a member; `n_i` is the size of set i, `n_ij` the
    number of members of both i and j.
    """
    columns = rows.T.tocsc()
    norms = np.sqrt(np.diff(rows.indptr))

    def similarities(block: slice) -> np.ndarray:
        common = (rows[block] @ columns).toarray()
        scale = norms[block, None] * norms + shrinkage
        return common / np.where(scale > 0, scale, 1)

    return similarities


def nearest_neighbors(similarities: Similarities, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k most similar others of each of n items (or users), by blocks of them.

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
