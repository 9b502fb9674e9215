"""Sentence encoders from a folder or the Hugging Face Hub."""

import dataclasses
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from symcere_jax.errors import DataError
from symcere_jax.text.hub.architectures import (
    ARCHITECTURES,
    ModelSettings,
    model_settings,
    read_parameters,
)
from symcere_jax.text.hub.language_model import ACTIVATIONS, LanguageModel
from symcere_jax.text.hub.pooling import SentenceSettings
from symcere_jax.text.hub.weights import open_weights, weight_files

_FILES = ["*.json", "*.txt", "*.model", "model*.safetensors"]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A sentence encoder in memory."""

    module: LanguageModel
    parameters: Any
    tokenizer: Any  # of the transformers library
    sentence: SentenceSettings
    window: int  # most tokens of a text, special ones included

    @classmethod
    def open(cls, folder: Path, *, bfloat16: bool = False) -> "Checkpoint":
        """Reads a model folder.

        Args:
            folder: config.json, tokenizer and safetensors, as `model_folder` returns it.
            bfloat16: type of parameters and computation, instead of float32.

        Raises:
            DataError: a file is missing or malformed, or the architecture is not supported.
        """
        settings = _settings(folder)
        dtype = jnp.bfloat16 if bfloat16 else jnp.float32
        module = LanguageModel(settings, dtype)
        with open_weights(folder) as read:
            parameters = read_parameters(settings, read)
        _check_shapes(folder, parameters, module)
        parameters = jax.tree.map(lambda x: x.astype(dtype), parameters)
        sentence = SentenceSettings.read(folder, "lasttoken" if settings.is_decoder else "mean")
        window = min(settings.window, sentence.max_length or settings.window)
        return cls(module, parameters, _tokenizer(folder), sentence, window)


def model_folder(name: str) -> Path:
    """The folder of a model.

    Args:
        name: a folder, or a model on the Hub, which is fetched unless it is cached.

    Raises:
        DataError: there is no such folder, and the model cannot be fetched.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    import huggingface_hub  # imported late: it is slow to, and a folder does not need it

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=_FILES))
    except Exception as error:  # whatever its network library raises
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"--text_model={name} is not a folder, and cannot be downloaded from the Hub "
            f"({reason}); name the folder of a downloaded model"
        ) from None


def fingerprint(folder: Path) -> str:
    """Hex digest of the weights, the tokenizer and the settings in a model folder."""
    digest = hashlib.sha256()
    texts = [path for path in folder.rglob("*") if path.suffix in (".json", ".txt", ".model")]
    for path in [*sorted(texts), *weight_files(folder)]:
        with path.open("rb") as file:
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def vector_width(folder: Path) -> int:
    """Width of the vectors of a model, which only takes its `config.json`."""
    return _settings(folder).width


def _settings(folder: Path) -> ModelSettings:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind = config["model_type"]
    except FileNotFoundError:
        raise DataError(f"{folder} is not a model: it has no config.json") from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path}: not the configuration of a model ({error})") from None
    if kind not in ARCHITECTURES:
        raise DataError(
            f"{path}: models of type {kind!r} are not supported, only {', '.join(ARCHITECTURES)}; "
            "encode the reviews elsewhere and use --text_encoder=precomputed"
        )
    try:
        settings = model_settings(config)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: an entry is missing or malformed: {error}") from None
    if settings.activation not in ACTIVATIONS:
        raise DataError(
            f"{path}: activation {settings.activation!r}, supported are {', '.join(ACTIVATIONS)}"
        )
    return settings


def _check_shapes(folder: Path, parameters: Any, module: LanguageModel) -> None:
    tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
    lengths = jax.ShapeDtypeStruct((1,), jnp.int32)
    try:
        expected = jax.eval_shape(module.init, jax.random.key(0), tokens, lengths)["params"]
    except (TypeError, ValueError, ZeroDivisionError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{folder / 'config.json'}: malformed: {reason}") from None
    shapes = {jax.tree_util.keystr(k): v.shape for k, v in jax.tree.leaves_with_path(parameters)}
    for path, leaf in jax.tree.leaves_with_path(expected):
        name = jax.tree_util.keystr(path)
        if shapes.get(name) != leaf.shape:
            raise DataError(
                f"{folder}: parameter {name} has shape {shapes.get(name)}, config.json says "
                f"{leaf.shape}"
            )


def _tokenizer(folder: Path) -> Any:
    import transformers  # imported late: it takes longer than all else here

    logging.getLogger("transformers").setLevel(logging.ERROR)  # it advises to install torch
    try:
        # As the file says; AutoTokenizer rebuilds the tokenizers of some models.
        has_file = (folder / "tokenizer.json").is_file()
        kind = transformers.PreTrainedTokenizerFast if has_file else transformers.AutoTokenizer
        # Code in the folder is never run, and nothing is fetched that it refers to.
        tokenizer = kind.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # its own kinds are many
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{folder}: no readable tokenizer ({reason})") from None
    if not tokenizer.is_fast:
        raise DataError(f"{folder}: the model needs a fast tokenizer, in tokenizer.json")
    return tokenizer
