"""The best columns of each row of scores, in about one pass over them."""

import math

import jax
import jax.numpy as jnp


def best_columns(scores: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The k largest scores of each row: `jax.lax.top_k` in about one pass over the scores.

    None of the k best is outside of the k groups of columns with the largest maxima: one pass finds
    the maxima, and the search is among them and the columns of the best groups.

    Args:
        scores: float32 `[b, n]`, no NaN.
        k: at most n.

    Returns:
        float32 `[b, k]` scores, descending, equal ones (0 and −0 among them) by ascending column,
        and int32 `[b, k]` columns.
    """
    n_rows, n_columns = scores.shape
    # A power of two near the size at which there are as many maxima as columns in the best groups.
    size = 1 << round(math.log2(max(n_columns / k, 1)) / 2)
    n_groups = -(-n_columns // size)
    if 2 * (n_groups + k * size) > n_columns:
        best, columns = jax.lax.top_k(_without_negative_zeros(scores), k)
        return best, columns
    padding = ((0, 0), (0, n_groups * size - n_columns))
    maxima = jax.lax.reduce_window(scores, -jnp.inf, jax.lax.max, (1, size), (1, size), padding)
    groups = jax.lax.top_k(_without_negative_zeros(maxima), k)[1]
    groups = jnp.sort(groups, axis=1)  # ties: columns have to ascend
    columns = (groups[:, :, None] * size + jnp.arange(size)).reshape(n_rows, k * size)
    chosen = jnp.take_along_axis(
        scores, jnp.minimum(columns, n_columns - 1), axis=1, mode="promise_in_bounds"
    )
    chosen = jnp.where(columns < n_columns, _without_negative_zeros(chosen), -jnp.inf)
    best, places = jax.lax.top_k(chosen, k)
    return best, jnp.take_along_axis(columns, places, axis=1, mode="promise_in_bounds")


def _without_negative_zeros(x: jax.Array) -> jax.Array:
    return jnp.where(x == 0.0, 0.0, x)  # top_k would rank −0 below 0
