"""Decoders as embedders in Flax: Qwen3 (as Qwen3-Embedding), Qwen2, Llama and Mistral."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from symcere_jax.errors import DataError
from symcere_jax.text.hub.attention import MASKED, Attention
from symcere_jax.text.hub.bert import ACTIVATIONS
from symcere_jax.text.hub.weights import ReadTensor, read_dense, read_norm


@dataclasses.dataclass(frozen=True)
class DecoderSettings:
    """The shape of a decoder.

    Attributes:
        n_tokens: size of the vocabulary.
        n_groups: keys and values of a layer, each shared by `n_heads / n_groups` heads.
        window: most tokens of a text.
        rotation_base: of the rotary positions.
        has_bias: whether the projections to queries, keys and values have biases.
        has_output_bias: whether the projection of the heads has biases.
        has_head_norm: whether queries and keys are normalized.
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
    has_output_bias: bool
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
            has_output_bias=bool(config.get("attention_bias")),
            has_head_norm=kind == "qwen3",
            activation=config["hidden_act"],
            epsilon=config["rms_norm_eps"],
        )


class Decoder(nn.Module):
    """Hidden states of texts, each token seeing those before it (Qwen3, arXiv 2505.09388).

    Attributes:
        settings: the shape.
        dtype: of the computation; parameters stay as they are.
    """

    settings: DecoderSettings
    dtype: Any = jnp.float32

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
        for number in range(settings.n_layers):
            x = _Layer(settings, self.dtype, name=f"layer_{number}")(x, bias)
        return nn.RMSNorm(settings.epsilon, dtype=self.dtype, name="norm")(x)


class _Layer(nn.Module):
    """Attention and a gated feed-forward layer, each of the normalized input and added to it."""

    settings: DecoderSettings
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        settings = self.settings
        attention = Attention(
            settings.n_heads,
            settings.n_groups,
            settings.head_width,
            has_bias=settings.has_bias,
            has_output_bias=settings.has_output_bias,
            norm_epsilon=settings.epsilon if settings.has_head_norm else None,
            rotation_base=settings.rotation_base,
            dtype=self.dtype,
            name="attention",
        )
        norm = functools.partial(nn.RMSNorm, settings.epsilon, dtype=self.dtype)
        dense = functools.partial(nn.Dense, use_bias=False, dtype=self.dtype)
        x += attention(norm(name="attention_norm")(x), bias)
        inner = dense(2 * settings.inner_width, name="inner")(norm(name="outer_norm")(x))
        gate, up = jnp.split(inner, 2, axis=2)
        inner = ACTIVATIONS[settings.activation](gate) * up
        return x + dense(settings.width, name="outer")(inner)


def read_parameters(settings: DecoderSettings, read: ReadTensor) -> dict[str, Any]:
    """The parameters of `Decoder` from a checkpoint.

    Raises:
        DataError: a tensor is missing.
    """
    dense = functools.partial(read_dense, read)
    norm = functools.partial(read_norm, read, has_bias=False)
    parameters: dict[str, Any] = {"tokens": read("embed_tokens.weight"), "norm": norm("norm")}
    for number in range(settings.n_layers):
        layer = f"layers.{number}"
        query_key_value = [f"{layer}.self_attn.{name}_proj" for name in "qkv"]
        attention = {
            "in": dense(*query_key_value, has_bias=settings.has_bias),
            "out": dense(f"{layer}.self_attn.o_proj", has_bias=settings.has_output_bias),
        }
        if settings.has_head_norm:
            attention["query_norm"] = norm(f"{layer}.self_attn.q_norm")
            attention["key_norm"] = norm(f"{layer}.self_attn.k_norm")
        parameters[f"layer_{number}"] = {
            "attention": attention,
            "attention_norm": norm(f"{layer}.input_layernorm"),
            "inner": dense(f"{layer}.mlp.gate_proj", f"{layer}.mlp.up_proj", has_bias=False),
            "outer": dense(f"{layer}.mlp.down_proj", has_bias=False),
            "outer_norm": norm(f"{layer}.post_attention_layernorm"),
        }
    return parameters
