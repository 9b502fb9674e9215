"""Encoders of the BERT family in Flax: BERT, RoBERTa and XLM-RoBERTa, MPNet."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.text.hub.attention import MASKED, Attention
from symcere_jax.text.hub.weights import ReadTensor, read_dense, read_norm

ACTIVATIONS = {
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "gelu_new": lambda x: nn.gelu(x, approximate=True),
    "gelu_pytorch_tanh": lambda x: nn.gelu(x, approximate=True),
    "relu": nn.relu,
    "silu": nn.silu,
}
_MAX_DISTANCE = 128  # MPNet's farthest relative position


@dataclasses.dataclass(frozen=True)
class BertSettings:
    """The shape of an encoder.

    Attributes:
        n_tokens: size of the vocabulary.
        n_positions: rows of the table of positions.
        first_position: row of a text's first token.
        n_token_types: rows of the table of token types, of which the first is used; 0: no table.
        n_relative: buckets of relative positions; 0: none.
        activation: of the feed-forward layers, a name in `ACTIVATIONS`.
        epsilon: of the layer norms.
    """

    n_tokens: int
    width: int
    n_layers: int
    n_heads: int
    inner_width: int
    n_positions: int
    first_position: int
    n_token_types: int
    n_relative: int
    activation: str
    epsilon: float

    @property
    def window(self) -> int:
        """Most tokens of a text."""
        return self.n_positions - self.first_position

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "BertSettings":
        """Reads the `config.json` of a checkpoint of type bert, roberta, xlm-roberta or mpnet."""
        kind = config["model_type"]
        return cls(
            n_tokens=config["vocab_size"],
            width=config["hidden_size"],
            n_layers=config["num_hidden_layers"],
            n_heads=config["num_attention_heads"],
            inner_width=config["intermediate_size"],
            n_positions=config["max_position_embeddings"],
            first_position=0 if kind == "bert" else config.get("pad_token_id", 1) + 1,
            n_token_types=0 if kind == "mpnet" else config["type_vocab_size"],
            n_relative=config.get("relative_attention_num_buckets", 32) if kind == "mpnet" else 0,
            activation=config["hidden_act"],
            epsilon=config["layer_norm_eps"],
        )


class Bert(nn.Module):
    """Hidden states of texts (Devlin et al., NAACL 2019; for MPNet Song et al., NeurIPS 2020).

    Attributes:
        settings: the shape.
        dtype: of the computation; parameters stay as they are.
    """

    settings: BertSettings
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
        first = settings.first_position
        x += table("positions", settings.n_positions)[first : first + length]
        if settings.n_token_types:
            x += table("token_types", settings.n_token_types)[0]
        x = nn.LayerNorm(settings.epsilon, dtype=self.dtype, name="norm")(x)
        bias = jnp.where(jnp.arange(length) < lengths[:, None], 0.0, MASKED)[:, None, None, :]
        if settings.n_relative:
            relative = table("relative", settings.n_relative, settings.n_heads)
            bias += relative[_relative_buckets(length, settings.n_relative)].transpose(2, 0, 1)
        for number in range(settings.n_layers):
            x = _Layer(settings, self.dtype, name=f"layer_{number}")(x, bias)
        return x


class _Layer(nn.Module):
    """Attention and feed-forward, each added to its input and normalized."""

    settings: BertSettings
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        settings = self.settings
        n_heads, head_width = settings.n_heads, settings.width // settings.n_heads
        attention = Attention(n_heads, n_heads, head_width, dtype=self.dtype, name="attention")
        norm = functools.partial(nn.LayerNorm, settings.epsilon, dtype=self.dtype)
        dense = functools.partial(nn.Dense, dtype=self.dtype)
        x = norm(name="attention_norm")(x + attention(x, bias))
        inner = ACTIVATIONS[settings.activation](dense(settings.inner_width, name="inner")(x))
        return norm(name="outer_norm")(x + dense(settings.width, name="outer")(inner))


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


def read_parameters(settings: BertSettings, read: ReadTensor) -> dict[str, Any]:
    """The parameters of `Bert` from a checkpoint.

    Raises:
        DataError: a tensor is missing.
    """
    dense, norm = functools.partial(read_dense, read), functools.partial(read_norm, read)
    parameters: dict[str, Any] = {
        "tokens": read("embeddings.word_embeddings.weight"),
        "positions": read("embeddings.position_embeddings.weight"),
        "norm": norm("embeddings.LayerNorm"),
    }
    if settings.n_token_types:
        parameters["token_types"] = read("embeddings.token_type_embeddings.weight")
    if settings.n_relative:
        parameters["relative"] = read("encoder.relative_attention_bias.weight")
    for number in range(settings.n_layers):
        layer = f"encoder.layer.{number}"
        if settings.n_relative:
            query_key_value = [f"{layer}.attention.attn.{name}" for name in "qkv"]
            out, attention_norm = f"{layer}.attention.attn.o", f"{layer}.attention.LayerNorm"
        else:
            names = ("query", "key", "value")
            query_key_value = [f"{layer}.attention.self.{name}" for name in names]
            out = f"{layer}.attention.output.dense"
            attention_norm = f"{layer}.attention.output.LayerNorm"
        parameters[f"layer_{number}"] = {
            "attention": {"in": dense(*query_key_value), "out": dense(out)},
            "attention_norm": norm(attention_norm),
            "inner": dense(f"{layer}.intermediate.dense"),
            "outer": dense(f"{layer}.output.dense"),
            "outer_norm": norm(f"{layer}.output.LayerNorm"),
        }
    return parameters
