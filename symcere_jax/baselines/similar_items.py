"""Item neighborhoods: the k most similar items of each item, and scores from them."""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.baselines.scorer import Scorer, training_histories
from symcere_jax.data import Histories, ReviewDataset

_BLOCK_BYTES = 64 * 2**20  # similarities held at once


@flax.struct.dataclass
class SimilarItems:
    """The items most similar to each item, and what each user has interacted with.

    Attributes:
        histories: of the users.
        items: int32 `[n_items, k]`, neighbors of each item.
        weights: float32 `[n_items, k]`, how similar they are; 0 where there are fewer than k.
    """

    histories: Histories
    items: jax.Array
    weights: jax.Array


def fit_similar_items(
    dataset: ReviewDataset,
    similarities: Callable[[slice], np.ndarray],
    k: int,
    amplification: float = 1.0,
) -> Scorer:
    """A scorer by the k nearest items of each item.

    Args:
        dataset: whose training items are the histories.
        similarities: as of `nearest_items`.
        k: number of neighbors.
        amplification: power of the similarities.
    """
    items, weights = nearest_items(similarities, dataset.n_items, k)
    neighbors = SimilarItems(
        training_histories(dataset), jnp.asarray(items), jnp.asarray(weights**amplification)
    )
    return Scorer(score_neighbors, neighbors)


def score_neighbors(neighbors: SimilarItems, users: jax.Array) -> jax.Array:
    """Sums the similarities of the users' items: `s_ui = Σ_{j ∈ history of u, i ∈ N_k(j)} w_ji`.

    Source: M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", TOIS 2004.
    """
    n_items = neighbors.items.shape[0]
    rows = jnp.arange(len(users))[:, None]

    def add(scores: jax.Array, items: jax.Array) -> tuple[jax.Array, None]:
        # A rank of the histories at a time: no array [b, history, k].
        columns = neighbors.items.at[items].get(mode="fill", fill_value=n_items)
        weights = neighbors.weights.at[items].get(mode="fill", fill_value=0)
        return scores.at[rows, columns].add(weights, mode="drop"), None

    history = neighbors.histories.padded(users, n_items)
    return jax.lax.scan(add, jnp.zeros((len(users), n_items)), history.T)[0]


def nearest_items(
    similarities: Callable[[slice], np.ndarray], n_items: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k most similar other items of each item, by blocks of items.

    Args:
        similarities: gives float `[b, n_items]`, a new array, for a slice of b items.
        n_items: size of the catalog.
        k: number of neighbors; may exceed the number of other items.

    Returns:
        int32 `[n_items, min(k, n_items)]` items, the most similar first, and their similarities,
        float32; an item itself and items of a similarity below 0 have 0.
    """
    k = min(k, n_items)
    items = np.empty((n_items, k), np.int32)
    weights = np.empty((n_items, k), np.float32)
    step = max(1, _BLOCK_BYTES // (8 * n_items))
    for first in range(0, n_items, step):
        rows = slice(first, min(first + step, n_items))
        block = similarities(rows)
        block[np.arange(len(block)), np.arange(n_items)[rows]] = 0
        weights[rows], items[rows] = jax.lax.top_k(jnp.asarray(block, jnp.float32), k)
    return items, np.maximum(weights, 0)
