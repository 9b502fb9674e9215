"""Decoders as embedders in Flax: Qwen3 (as Qwen3-Embedding), Qwen2, Llama and Mistral."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.errors import DataError
from symcere_jax.text.hub.attention import MASKED, attend
from symcere_jax.text.hub.bert import ACTIVATIONS
from symcere_jax.text.hub.weights import ReadTensor, read_dense, read_norm


@dataclasses.dataclass(frozen=True)
class DecoderSettings:
    """The shape of a decoder.

    Attributes:
        n_tokens: size of the vocabulary.
        width: of the hidden states.
        n_layers: number of layers.
        n_heads: attention heads of a layer.
        n_groups: keys and values of a layer, each shared by `n_heads / n_groups` heads.
        head_width: of a head.
        inner_width: of the feed-forward layers.
        window: most tokens of a text.
        rotation_base: of the rotary positions.
        has_bias: whether queries, keys and values have a bias.
        has_head_norm: whether queries and keys are normalised.
        activation: of the feed-forward layers, a name in `bert.ACTIVATIONS`.
        epsilon: of the norms.
    """

    n_tokens: int
    width: int
    n_layers: int
    n_heads: int
    n_groups: int
    head_width: int
    inner_width: int
    window: int
    rotation_base: float
    has_bias: bool
    has_head_norm: bool
    activation: str
    epsilon: float

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "DecoderSettings":
        """Reads the `config.json` of a checkpoint of type qwen3, qwen2, llama or mistral.

        Raises:
            DataError: the checkpoint stretches its rotary positions, which is not known here.
        """
        kind = config["model_type"]
        rotation = config.get("rope_parameters") or config.get("rope_scaling") or {}
        if rotation.get("rope_type", rotation.get("type", "default")) != "default":
            raise DataError(f"rotary positions of another type than the default: {rotation}")
        window = config["max_position_embeddings"]
        if config.get("sliding_window") and config.get("use_sliding_window", kind == "mistral"):
            window = min(window, config["sliding_window"])
        n_heads = config["num_attention_heads"]
        return cls(
            n_tokens=config["vocab_size"],
            width=config["hidden_size"],
            n_layers=config["num_hidden_layers"],
            n_heads=n_heads,
            n_groups=config.get("num_key_value_heads") or n_heads,
            head_width=config.get("head_dim") or config["hidden_size"] // n_heads,
            inner_width=config["intermediate_size"],
            window=window,
            rotation_base=rotation.get("rope_theta") or config.get("rope_theta") or 10_000.0,
            has_bias=kind == "qwen2" or bool(config.get("attention_bias")),
            has_head_norm=kind == "qwen3",
            activation=config["hidden_act"],
            epsilon=config["rms_norm_eps"],
        )


class Decoder(nn.Module):
    """Hidden states of texts, each token seeing those before it (Qwen3, arXiv 2505.09388).

    Attributes:
        settings: the shape.
        dtype: of the computation; parameters stay as they are.
        n_trained: layers at the end that are trained: no gradient goes further down, and what is
            within them is computed anew for the gradient instead of kept.
    """

    settings: DecoderSettings
    dtype: Any = jnp.float32
    n_trained: int = 0

    @nn.compact
    def __call__(self, tokens: jax.Array, lengths: jax.Array) -> jax.Array:
        """Encodes token numbers.

        Args:
            tokens: int32 `[n, length]`, of which the first `lengths` of each row count.
            lengths: int32 `[n]`; what follows them is not seen by them, the model being causal.

        Returns:
            `[n, length, width]`, in `dtype`.
        """
        del lengths
        settings, length = self.settings, tokens.shape[1]
        shape = (settings.n_tokens, settings.width)
        x = self.param("tokens", nn.initializers.normal(0.02), shape)[tokens].astype(self.dtype)
        bias = jnp.where(jnp.tri(length, dtype=bool), 0.0, MASKED)[None, None]
        first_trained = settings.n_layers - self.n_trained
        for number in range(settings.n_layers):
            if number == first_trained:
                x = jax.lax.stop_gradient(x)
            layer = nn.remat(_Layer) if number >= first_trained else _Layer
            x = layer(settings, self.dtype, name=f"layer_{number}")(x, bias)
        return nn.RMSNorm(settings.epsilon, dtype=self.dtype, name="norm")(x)


class _Layer(nn.Module):
    """Attention and a gated feed-forward layer, each of the normalised input and added to it."""

    settings: DecoderSettings
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        settings = self.settings
        n, length, width = x.shape

        def dense(width: int, name: str, use_bias: bool = False) -> nn.Dense:
            return nn.Dense(width, use_bias=use_bias, dtype=self.dtype, name=name)

        def norm(name: str) -> nn.RMSNorm:
            return nn.RMSNorm(settings.epsilon, dtype=self.dtype, name=name)

        n_query, n_group = settings.n_heads, settings.n_groups
        total = (n_query + 2 * n_group) * settings.head_width
        heads = dense(total, "attention_in", settings.has_bias)(norm("attention_norm")(x))
        heads = heads.reshape(n, length, n_query + 2 * n_group, settings.head_width)
        query, key, value = jnp.split(heads, [n_query, n_query + n_group], axis=2)
        if settings.has_head_norm:
            query, key = norm("query_norm")(query), norm("key_norm")(key)
        cos, sin = _rotation(length, settings)
        query, key = (_rotate(part, cos, sin).astype(self.dtype) for part in (query, key))
        x += dense(width, "attention_out")(attend(query, key, value, bias, self.dtype))
        gate, up = jnp.split(
            dense(2 * settings.inner_width, "inner")(norm("outer_norm")(x)), 2, axis=2
        )
        return x + dense(width, "outer")(ACTIVATIONS[settings.activation](gate) * up)


def _rotation(length: int, settings: DecoderSettings) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of the angle of each position and pair, float32 `[length, 1, d]`."""
    powers = np.arange(0, settings.head_width, 2, dtype=np.float32) / settings.head_width
    frequencies = np.tile(1.0 / settings.rotation_base**powers, 2).astype(np.float32)
    angles = (np.arange(length, dtype=np.float32)[:, None] * frequencies)[:, None, :]
    return np.cos(angles), np.sin(angles)


def _rotate(x: jax.Array, cos: np.ndarray, sin: np.ndarray) -> jax.Array:
    """Turns each pair `(x_j, x_{j + d/2})` by its angle (RoFormer, arXiv 2104.09864)."""
    left, right = jnp.split(x, 2, axis=3)
    return x * cos + jnp.concatenate([-right, left], axis=3) * sin


def read_parameters(settings: DecoderSettings, read: ReadTensor) -> dict[str, Any]:
    """The parameters of `Decoder` from a checkpoint.

    Args:
        settings: its shape.
        read: tensor of a name.

    Raises:
        DataError: a tensor is missing.
    """
    norm = functools.partial(read_norm, read, has_bias=False)
    parameters: dict[str, Any] = {"tokens": read("embed_tokens.weight"), "norm": norm("norm")}
    for number in range(settings.n_layers):
        parameters[f"layer_{number}"] = read_layer(settings, read, number)
    return parameters


def read_layer(settings: DecoderSettings, read: ReadTensor, number: int) -> dict[str, Any]:
    """The parameters of one layer, likewise.

    Args:
        settings: the shape of the decoder.
        read: tensor of a name.
        number: of the layer, from 0.

    Raises:
        DataError: a tensor is missing.
    """
    dense = functools.partial(read_dense, read)
    norm = functools.partial(read_norm, read, has_bias=False)
    layer = f"layers.{number}"
    attention = f"{layer}.self_attn"
    parameters: dict[str, Any] = {
        "attention_norm": norm(f"{layer}.input_layernorm"),
        "attention_in": dense(
            *(f"{attention}.{name}_proj" for name in "qkv"), has_bias=settings.has_bias
        ),
        "attention_out": dense(f"{attention}.o_proj", has_bias=False),
        "outer_norm": norm(f"{layer}.post_attention_layernorm"),
        "inner": dense(f"{layer}.mlp.gate_proj", f"{layer}.mlp.up_proj", has_bias=False),
        "outer": dense(f"{layer}.mlp.down_proj", has_bias=False),
    }
    if settings.has_head_norm:
        parameters |= {
            "query_norm": norm(f"{attention}.q_norm"),
            "key_norm": norm(f"{attention}.k_norm"),
        }
    return parameters
