"""Item neighbourhoods: the k most similar items of each item, and scores from them."""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.training.user_items import UserItems

_BLOCK_BYTES = 64 * 2**20  # similarities held at once


@flax.struct.dataclass
class Neighbors:
    """The items most similar to each item, and what each user has interacted with.

    Attributes:
        histories: training items of the users.
        items: int32 `[n_items, k]`, neighbours of each item.
        weights: float32 `[n_items, k]`, how similar they are; 0 where there are fewer than k.
    """

    histories: UserItems
    items: jax.Array
    weights: jax.Array


def score_neighbors(neighbors: Neighbors, users: jax.Array) -> jax.Array:
    """Sums the similarities of the users' items: `s_ui = Σ_{j ∈ history of u, i ∈ N_k(j)} w_ji`.

    Source: Deshpande & Karypis, "Item-based top-N recommendation algorithms", TOIS 2004.

    Args:
        neighbors: of all items.
        users: int32 `[b]` user rows.

    Returns:
        float32 `[b, n_items]`.
    """
    n_items = neighbors.items.shape[0]
    history = neighbors.histories.padded(users, n_items)
    rows = jnp.arange(len(users))[:, None]

    def add(scores: jax.Array, items: jax.Array) -> tuple[jax.Array, None]:
        # A rank of the histories at a time: no array [b, history, k].
        columns = neighbors.items.at[items].get(mode="fill", fill_value=n_items)
        weights = neighbors.weights.at[items].get(mode="fill", fill_value=0)
        return scores.at[rows, columns].add(weights, mode="drop"), None

    return jax.lax.scan(add, jnp.zeros((len(users), n_items)), history.T)[0]


def nearest(
    similarities: Callable[[slice], np.ndarray], n_items: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k most similar other items of each item, by blocks of items.

    Args:
        similarities: gives float `[b, n_items]`, a new array, for a slice of b items.
        n_items: size of the catalogue.
        k: number of neighbours; may exceed the number of other items.

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
