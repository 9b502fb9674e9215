"""Language models in Flax: the BERT family and the Llama family."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.text.hub.architectures import ModelSettings

ACTIVATIONS = {
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "gelu_new": lambda x: nn.gelu(x, approximate=True),
    "gelu_pytorch_tanh": lambda x: nn.gelu(x, approximate=True),
    "relu": nn.relu,
    "silu": nn.silu,
}
_MAX_DISTANCE = 128  # MPNet's farthest relative position
_MASKED = -1e9  # added to the score of a key that may not be seen; finite in float32


class LanguageModel(nn.Module):
    """Hidden states of texts.

    BERT (Devlin et al., NAACL 2019), RoBERTa (arXiv 1907.11692), MPNet (Song et al., NeurIPS 2020),
    Llama (arXiv 2302.13971), Mistral (arXiv 2310.06825), Qwen3 (arXiv 2505.09388).
    """

    settings: ModelSettings
    dtype: Any = jnp.float32  # of the computation; parameters stay as they are

    @nn.compact
    def __call__(self, tokens: jax.Array, lengths: jax.Array) -> jax.Array:
        """Applies all layers.

        Args:
            tokens: int32 `[n, length]`.
            lengths: int32 `[n]`, number of tokens of each text; the rest of a row is padding.

        Returns:
            `[n, length, width]`, of the type `dtype`.
        """
        settings, length = self.settings, tokens.shape[1]

        def table(name: str, n_rows: int, width: int = settings.width) -> jax.Array:
            return self.param(name, nn.initializers.normal(0.02), (n_rows, width))

        x = table("tokens", settings.n_tokens)[tokens]
        if settings.is_decoder:
            x = x.astype(self.dtype)
            bias = jnp.where(jnp.tri(length, dtype=bool), 0.0, _MASKED)[None, None]
        else:
            first = settings.first_position
            x += table("positions", first + settings.window)[first : first + length]
            if settings.n_token_types:
                x += table("token_types", settings.n_token_types)[0]
            x = _norm(settings, self.dtype, "norm")(x)
            bias = jnp.where(jnp.arange(length) < lengths[:, None], 0.0, _MASKED)[:, None, None, :]
        if settings.n_relative:
            relative = table("relative", settings.n_relative, settings.n_heads)
            bias += relative[_relative_buckets(length, settings.n_relative)].transpose(2, 0, 1)
        for number in range(settings.n_layers):
            x = _Layer(settings, self.dtype, name=f"layer_{number}")(x, bias)
        return _norm(settings, self.dtype, "norm")(x) if settings.is_decoder else x


class _Layer(nn.Module):
    """Attention and feed-forward, each added to its input."""

    settings: ModelSettings
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        settings = self.settings
        attention = _Attention(settings, self.dtype, name="attention")
        attention_norm = _norm(settings, self.dtype, "attention_norm")
        outer_norm = _norm(settings, self.dtype, "outer_norm")
        if settings.is_decoder:
            x += attention(attention_norm(x), bias)
            return x + self._feed_forward(outer_norm(x))
        x = attention_norm(x + attention(x, bias))
        return outer_norm(x + self._feed_forward(x))

    def _feed_forward(self, x: jax.Array) -> jax.Array:
        settings = self.settings
        is_gated = settings.is_decoder
        dense = functools.partial(nn.Dense, use_bias=not is_gated, dtype=self.dtype)
        inner = dense((1 + is_gated) * settings.inner_width, name="inner")(x)
        gate, *up = jnp.split(inner, 1 + is_gated, axis=2)
        inner = ACTIVATIONS[settings.activation](gate)
        return dense(settings.width, name="outer")(inner * up[0] if up else inner)


class _Attention(nn.Module):
    """Self-attention, optionally with grouped heads, rotary positions, norms and biases."""

    settings: ModelSettings
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        """Mixes the values of positions, `[n, length, width]`.

        The bias, float32 `[n or 1, n_heads or 1, length or 1, length]`, is added to the scores; it
        is `_MASKED` where a query does not see a key.
        """
        settings, (n, length, width) = self.settings, x.shape
        n_heads, n_groups = settings.n_heads, settings.n_groups
        n_parts = n_heads + 2 * n_groups
        dense = functools.partial(nn.Dense, dtype=self.dtype)
        parts = dense(n_parts * settings.head_width, use_bias=settings.has_bias, name="in")(x)
        parts = parts.reshape(n, length, n_parts, settings.head_width)
        query, key, value = jnp.split(parts, [n_heads, n_heads + n_groups], axis=2)
        if settings.has_head_norm:
            query = nn.RMSNorm(settings.epsilon, dtype=self.dtype, name="query_norm")(query)
            key = nn.RMSNorm(settings.epsilon, dtype=self.dtype, name="key_norm")(key)
        if settings.rotation_base is not None:
            query, key = (_rotate(part, settings.rotation_base) for part in (query, key))
        mixed = _attend(query, key, value, bias, self.dtype)
        return dense(width, use_bias=settings.has_output_bias, name="out")(mixed)


def _attend(
    query: jax.Array, key: jax.Array, value: jax.Array, bias: jax.Array, dtype: Any
) -> jax.Array:
    """`softmax(query · key / √d + bias) · value` for each head; the softmax is in float32.

    Heads come before positions, and the sum of the softmax divides last: on a CPU, that takes a
    quarter of the time of the other order.
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
    """
    _, length, _, d = x.shape
    frequencies = np.tile(1.0 / base ** (np.arange(0, d, 2, dtype=np.float32) / d), 2)
    positions = np.arange(length, dtype=np.float32)[:, None]
    angles = (positions * frequencies.astype(np.float32))[:, None, :]
    left, right = jnp.split(x, 2, axis=3)
    rotated = x * np.cos(angles) + jnp.concatenate([-right, left], axis=3) * np.sin(angles)
    return rotated.astype(x.dtype)


def _norm(settings: ModelSettings, dtype: Any, name: str) -> nn.Module:
    """The norm of the model's family."""
    kind = nn.RMSNorm if settings.is_decoder else nn.LayerNorm
    return kind(settings.epsilon, dtype=dtype, name=name)


def _relative_buckets(length: int, n_buckets: int) -> np.ndarray:
    """Bucket of the relative position of each query (row) and key, int `[length, length]`.

    Half of the buckets are for keys after the query; of each half, half are single positions and
    the others grow with the logarithm of the distance (Raffel et al., JMLR 2020).
    """
    distance = np.arange(length) - np.arange(length)[:, None]
    half = n_buckets // 2
    exact = half // 2
    size = np.abs(distance)
    # In float32, as the models were trained with: float64 would put some elsewhere.
    grown = np.log(np.maximum(size, 1).astype(np.float32) / np.float32(exact)) / np.float32(
        math.log(_MAX_DISTANCE / exact)
    )
    far = np.minimum(exact + (grown * np.float32(half - exact)).astype(int), half - 1)
    return np.where(distance > 0, half, 0) + np.where(size < exact, size, far)
