"""Attention, laid out so that each head is one matrix product."""

import math
from typing import Any

import jax
import jax.numpy as jnp

MASKED = -1e9  # added to the score of a key that may not be seen; finite in float32


def attend(
    query: jax.Array, key: jax.Array, value: jax.Array, bias: jax.Array, dtype: Any
) -> jax.Array:
    """`softmax(query · key / √d + bias) · value` for each head; the softmax is in float32.

    Heads come before positions here, and the sum of the softmax divides last: on a CPU, this takes
    a quarter of the time of the same in the order in which heads are stored.

    Args:
        query: `[n, length, n_heads, d]`.
        key: `[n, length, n_groups, d]`, where n_heads is a multiple of n_groups: consecutive heads
            share a group.
        value: `[n, length, n_groups, d]`.
        bias: float32 `[n or 1, n_heads or 1, length or 1, length]`.
        dtype: of the products.

    Returns:
        `[n, length, n_heads · d]`, in `dtype`.
    """
    n, length, n_heads, d = query.shape
    n_groups = key.shape[2]
    query, key, value = (jnp.moveaxis(x, 2, 1) for x in (query, key, value))
    if n_groups < n_heads:
        key, value = (jnp.repeat(x, n_heads // n_groups, axis=1) for x in (key, value))
    scores = jnp.matmul(query / math.sqrt(d), jnp.swapaxes(key, 2, 3)).astype(jnp.float32) + bias
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(axis=3, keepdims=True)))
    total = weights.sum(axis=3, keepdims=True)
    mixed = jnp.matmul(weights.astype(dtype), value) / total.astype(dtype)
    return jnp.moveaxis(mixed, 1, 2).reshape(n, length, n_heads * d)
