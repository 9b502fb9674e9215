"""Self-attention of all model families."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

MASKED = -1e9  # added to the score of a key that may not be seen; finite in float32


class Attention(nn.Module):
    """Self-attention: grouped heads, rotary positions, norms and biases as a model has them.

    Attributes:
        n_heads: number of queries.
        n_groups: number of keys and values; consecutive heads share one.
        head_width: width of a head.
        has_bias: whether the projections to queries, keys and values have biases.
        has_output_bias: whether the projection of the heads has biases.
        norm_epsilon: of the RMS norms of queries and keys; None: no norms.
        rotation_base: of rotary positions; None: no rotation.
        dtype: of the computation.
    """

    n_heads: int
    n_groups: int
    head_width: int
    has_bias: bool = True
    has_output_bias: bool = True
    norm_epsilon: float | None = None
    rotation_base: float | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        """Mixes the values of positions.

        Args:
            x: `[n, length, width]`.
            bias: float32 `[n or 1, n_heads or 1, length or 1, length]`, added to scores; `MASKED`
                where a query may not see a key.

        Returns:
            `[n, length, width]`, in `dtype`.
        """
        n, length, width = x.shape
        n_parts = self.n_heads + 2 * self.n_groups
        total = n_parts * self.head_width
        parts = nn.Dense(total, use_bias=self.has_bias, dtype=self.dtype, name="in")(x)
        parts = parts.reshape(n, length, n_parts, self.head_width)
        query, key, value = jnp.split(parts, [self.n_heads, self.n_heads + self.n_groups], axis=2)
        if self.norm_epsilon is not None:
            query = nn.RMSNorm(self.norm_epsilon, dtype=self.dtype, name="query_norm")(query)
            key = nn.RMSNorm(self.norm_epsilon, dtype=self.dtype, name="key_norm")(key)
        if self.rotation_base is not None:
            query, key = (_rotate(part, self.rotation_base) for part in (query, key))
        mixed = _attend(query, key, value, bias, self.dtype)
        return nn.Dense(width, use_bias=self.has_output_bias, dtype=self.dtype, name="out")(mixed)


def _attend(
    query: jax.Array, key: jax.Array, value: jax.Array, bias: jax.Array, dtype: Any
) -> jax.Array:
    """`softmax(query · key / √d + bias) · value` for each head; the softmax is in float32.

    Heads come before positions here, and the sum of the softmax divides last: on a CPU, this takes
    a quarter of the time of the same in the order in which heads are stored.

    Args:
        query: `[n, length, n_heads, d]`.
        key: `[n, length, n_groups, d]`.
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
    weights = jnp.exp(scores - scores.max(axis=3, keepdims=True))
    total = weights.sum(axis=3, keepdims=True)
    mixed = jnp.matmul(weights.astype(dtype), value) / total.astype(dtype)
    return jnp.moveaxis(mixed, 1, 2).reshape(n, length, n_heads * d)


def _rotate(x: jax.Array, base: float) -> jax.Array:
    """Turns each pair `(x_j, x_{j + d/2})` by an angle that grows with its position.

    RoFormer, arXiv 2104.09864; computed in float32.

    Args:
        x: `[n, length, n_heads, d]`.
        base: of the frequencies.
    """
    _, length, _, d = x.shape
    frequencies = np.tile(1.0 / base ** (np.arange(0, d, 2, dtype=np.float32) / d), 2)
    positions = np.arange(length, dtype=np.float32)[:, None]
    angles = (positions * frequencies.astype(np.float32))[:, None, :]
    left, right = jnp.split(x, 2, axis=3)
    rotated = x * np.cos(angles) + jnp.concatenate([-right, left], axis=3) * np.sin(angles)
    return rotated.astype(x.dtype)
