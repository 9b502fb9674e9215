"""The architectures that can be read: shape, and which tensor is which parameter."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from symcere_jax.errors import DataError
from symcere_jax.text.hub.weights import ReadTensor, read_dense, read_norm

_ENCODERS = ("bert", "roberta", "xlm-roberta", "mpnet")
_DECODERS = ("qwen3", "qwen2", "llama", "mistral")
ARCHITECTURES = (*_ENCODERS, *_DECODERS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The shape of a language model.

    Decoders are of the Llama family: a token sees only the tokens before it, positions are rotary,
    layers are gated and normalize their input by RMS norms. Encoders are of the BERT family: all
    tokens see each other, positions are learned, layers normalize their output.
    """

    is_decoder: bool
    n_tokens: int  # of the vocabulary
    width: int
    n_layers: int
    n_heads: int
    n_groups: int  # keys and values of a layer, each shared by n_heads / n_groups heads
    head_width: int
    inner_width: int
    window: int  # most tokens of a text
    activation: str  # a name in `ACTIVATIONS`
    epsilon: float  # of the norms
    first_position: int = 0  # row of a text's first token in the table of positions
    n_token_types: int = 0  # rows of the table of token types, of which the first is used
    n_relative: int = 0  # buckets of relative positions
    rotation_base: float | None = None  # of rotary positions
    has_bias: bool = True  # in the projections to queries, keys and values
    has_output_bias: bool = True  # in the projection of the heads
    has_head_norm: bool = False  # of queries and keys


def model_settings(config: Mapping[str, Any]) -> ModelSettings:
    """The shape that a `config.json` describes.

    Args:
        config: content of the file, of a model type in `ARCHITECTURES`.

    Raises:
        DataError: the model scales its rotary positions, which is not supported.
        KeyError, TypeError, AttributeError: an entry is missing or malformed.
    """
    kind, n_heads = config["model_type"], config["num_attention_heads"]
    shape = {
        "is_decoder": kind in _DECODERS,
        "n_tokens": config["vocab_size"],
        "width": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": n_heads,
        "n_groups": config.get("num_key_value_heads") or n_heads,
        "head_width": config.get("head_dim") or config["hidden_size"] // n_heads,
        "inner_width": config["intermediate_size"],
        "activation": config["hidden_act"],
    }
    window = config["max_position_embeddings"]
    if kind in _ENCODERS:
        first_position = 0 if kind == "bert" else config.get("pad_token_id", 1) + 1
        is_mpnet = kind == "mpnet"
        return ModelSettings(
            **shape,
            window=window - first_position,
            epsilon=config["layer_norm_eps"],
            first_position=first_position,
            n_token_types=0 if is_mpnet else config["type_vocab_size"],
            n_relative=config.get("relative_attention_num_buckets", 32) if is_mpnet else 0,
        )
    rotation = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rotation.get("rope_type", rotation.get("type", "default")) != "default":
        raise DataError(f"scaled rotary positions are not supported: {rotation}")
    if config.get("sliding_window") and config.get("use_sliding_window", kind == "mistral"):
        window = min(window, config["sliding_window"])
    has_bias = bool(config.get("attention_bias"))
    return ModelSettings(
        **shape,
        window=window,
        epsilon=config["rms_norm_eps"],
        rotation_base=rotation.get("rope_theta") or config.get("rope_theta") or 10_000.0,
        has_bias=has_bias or kind == "qwen2",
        has_output_bias=has_bias,
        has_head_norm=kind == "qwen3",
    )


def read_parameters(settings: ModelSettings, read: ReadTensor) -> dict[str, Any]:
    """The parameters of `LanguageModel` from a checkpoint.

    Args:
        settings: the shape.
        read: returns a tensor, float32, by its name.

    Raises:
        DataError: a tensor is missing.
    """
    return (_decoder_parameters if settings.is_decoder else _encoder_parameters)(settings, read)


def _encoder_parameters(settings: ModelSettings, read: ReadTensor) -> dict[str, Any]:
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


def _decoder_parameters(settings: ModelSettings, read: ReadTensor) -> dict[str, Any]:
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
