"""Language models in Flax: encoders of the BERT family, and decoders as embedders."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.text.hub.architectures import ModelSettings
from symcere_jax.text.hub.attention import MASKED, Attention

ACTIVATIONS = {
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "gelu_new": lambda x: nn.gelu(x, approximate=True),
    "gelu_pytorch_tanh": lambda x: nn.gelu(x, approximate=True),
    "relu": nn.relu,
    "silu": nn.silu,
}
_MAX_DISTANCE = 128  # MPNet's farthest relative position


class LanguageModel(nn.Module):
    """Hidden states of texts.

    BERT (Devlin et al., NAACL 2019), MPNet (Song et al., NeurIPS 2020), Qwen3 (arXiv 2505.09388).

    Attributes:
        settings: the shape.
        dtype: of the computation; parameters stay as they are.
    """

    settings: ModelSettings
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, tokens: jax.Array, lengths: jax.Array) -> jax.Array:
        """Encodes token numbers.

        Args:
            tokens: int32 `[n, length]`, of which the first `lengths` of each row count.
            lengths: int32 `[n]`.

        Returns:
            `[n, length, width]`, in `dtype`.
        """
        settings, length = self.settings, tokens.shape[1]

        def table(name: str, n_rows: int, width: int = settings.width) -> jax.Array:
            return self.param(name, nn.initializers.normal(0.02), (n_rows, width))

        x = table("tokens", settings.n_tokens)[tokens]
        if settings.is_decoder:
            x = x.astype(self.dtype)
            bias = jnp.where(jnp.tri(length, dtype=bool), 0.0, MASKED)[None, None]
        else:
            first = settings.first_position
            x += table("positions", first + settings.window)[first : first + length]
            if settings.n_token_types:
                x += table("token_types", settings.n_token_types)[0]
            x = _norm(settings, self.dtype, "norm")(x)
            bias = jnp.where(jnp.arange(length) < lengths[:, None], 0.0, MASKED)[:, None, None, :]
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
        attention = Attention(settings, self.dtype, name="attention")
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


def _norm(settings: ModelSettings, dtype: Any, name: str) -> nn.Module:
    """A norm of the kind that the model has."""
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
