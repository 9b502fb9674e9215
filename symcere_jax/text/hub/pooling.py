"""Pooling: one vector of a text from its hidden states."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from symcere_jax.errors import DataError

POOLINGS = ("mean", "cls", "max", "lasttoken")

_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclasses.dataclass(frozen=True)
class SentenceSettings:
    """The settings that sentence-transformers keeps in a model folder."""

    pooling: str  # a name in `POOLINGS`
    max_length: int | None = None  # most tokens of a text; None: the window of the model
    prefix: str = ""  # precedes each text
    lower_case: bool = False  # of texts

    @classmethod
    def read(cls, folder: Path, default_pooling: str) -> "SentenceSettings":
        """Reads `modules.json` and the files that it names.

        Args:
            folder: of the model.
            default_pooling: where the folder names none.

        Returns:
            The settings. The prefix is the prompt "document", "passage" or "corpus" of the folder,
            else its default prompt: reviews are documents, not queries.

        Raises:
            DataError: a file is malformed, or names a module or pooling that is not supported.
        """
        modules = {
            str(module["type"]).rpartition(".")[2]: folder / str(module.get("path", ""))
            for module in _read(folder / "modules.json", [])
        }
        unknown = set(modules) - {"Transformer", "Pooling", "Normalize"}
        if unknown:
            raise DataError(
                f"{folder / 'modules.json'}: modules of type {', '.join(sorted(unknown))} are not "
                "supported; encode the reviews elsewhere and use --text_encoder=precomputed"
            )
        pooling = default_pooling
        if "Pooling" in modules:
            pooling = _pooling(modules["Pooling"] / "config.json")
        sizes = _read(modules.get("Transformer", folder) / "sentence_bert_config.json", {})
        prompts = _read(folder / "config_sentence_transformers.json", {})
        known = prompts.get("prompts") or {}
        names = ("document", "passage", "corpus", prompts.get("default_prompt_name"))
        return cls(
            pooling=pooling,
            max_length=sizes.get("max_seq_length"),
            prefix=next((known[name] for name in names if known.get(name)), ""),
            lower_case=bool(sizes.get("do_lower_case", False)),
        )


def _pooling(path: Path) -> str:
    config = _read(path, {})
    modes = config.get("pooling_mode")
    modes = [modes] if isinstance(modes, str) else modes
    if modes is None:
        modes = [
            _FLAGS.get(flag, flag)
            for flag, is_on in config.items()
            if flag.startswith("pooling_mode") and is_on
        ]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise DataError(f"{path}: pooling {modes}, must be one of {', '.join(POOLINGS)}")
    return modes[0]


def _read(path: Path, default: Any) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(content, type(default)):
        raise DataError(f"{path}: expected {type(default).__name__} at the top")
    return content


def pool(hidden: jax.Array, lengths: jax.Array, pooling: str) -> jax.Array:
    """Pools the hidden states of each text.

    Args:
        hidden: `[n, length, width]`.
        lengths: int32 `[n]`, number of tokens of each text.
        pooling: "mean" or "max" over tokens, "cls" (the first token) or "lasttoken".

    Returns:
        float32 `[n, width]`; 0 for a text without tokens.
    """
    hidden = hidden.astype(jnp.float32)
    counts = (jnp.arange(hidden.shape[1]) < lengths[:, None])[:, :, None]
    if pooling == "mean":
        pooled = jnp.where(counts, hidden, 0).sum(axis=1) / jnp.maximum(lengths, 1)[:, None]
    elif pooling == "max":
        pooled = jnp.where(counts, hidden, -jnp.inf).max(axis=1)
    else:
        place = jnp.zeros_like(lengths) if pooling == "cls" else jnp.maximum(lengths - 1, 0)
        pooled = jnp.take_along_axis(hidden, place[:, None, None], axis=1)[:, 0]
    return jnp.where(lengths[:, None] > 0, pooled, 0)
