"""Fitted text encoders in the prepared folder: `text/<encoder>/model/`."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.text.encoders.base import FittedTextEncoder
from symcere_jax.text.encoders.combination import FittedCombined
from symcere_jax.text.encoders.conditioning import FittedConditioned
from symcere_jax.text.encoders.fitted_lsa import FittedLsa
from symcere_jax.text.encoders.precomputed import FittedPrecomputed
from symcere_jax.text.encoders.transformer import FittedTransformer

_LOADERS: dict[str, Callable[[Path, list[FittedTextEncoder]], FittedTextEncoder]] = {
    FittedLsa.kind: lambda folder, within: FittedLsa.load(folder),
    FittedTransformer.kind: lambda folder, within: FittedTransformer.load(folder),
    FittedPrecomputed.kind: lambda folder, within: FittedPrecomputed.load(folder),
    FittedConditioned.kind: lambda folder, within: FittedConditioned.load(folder, within[0]),
    FittedCombined.kind: lambda folder, within: FittedCombined(within),
}
_KIND = "model.json"
_WITHIN = "encoder_{}"


def save_text_encoder(fitted: FittedTextEncoder, folder: Path, name: str) -> None:
    """Writes a fitted encoder into a folder that is being prepared.

    Args:
        fitted: the encoder.
        folder: the prepared folder; its manifest is not touched.
        name: of the encoder within the folder.
    """
    _save(fitted, (folder / schema.text_model_file(name)).parent)


def _save(fitted: FittedTextEncoder, folder: Path) -> None:
    folder.mkdir(parents=True)
    fitted.save(folder)
    within = _within(fitted)
    for number, encoder in enumerate(within):
        _save(encoder, folder / _WITHIN.format(number))
    content = json.dumps({"kind": fitted.kind, "encoders": len(within)})
    (folder / _KIND).write_text(content + "\n", encoding="utf-8")


def _within(fitted: FittedTextEncoder) -> list[FittedTextEncoder]:
    if isinstance(fitted, FittedConditioned):
        return [fitted.encoder]
    return fitted.encoders if isinstance(fitted, FittedCombined) else []


def keep_vectors(fitted: FittedTextEncoder, folder: Path) -> None:
    """Has the language models within an encoder keep their vectors, so that no text is read twice.

    Args:
        fitted: any encoder.
        folder: of caches.

    Raises:
        DataError: the folder cannot be made or read.
    """
    if isinstance(fitted, FittedTransformer):
        fitted.use_cache(folder)
    for encoder in _within(fitted):
        keep_vectors(encoder, folder)


def _load(folder: Path) -> FittedTextEncoder:
    content = json.loads((folder / _KIND).read_text(encoding="utf-8"))
    within = [_load(folder / _WITHIN.format(number)) for number in range(content["encoders"])]
    return _LOADERS[content["kind"]](folder, within)


def load_text_encoder(dataset: ReviewDataset, name: str) -> FittedTextEncoder:
    """The encoder that made the text features of a prepared folder, for further texts.

    Its large arrays are mapped, so that loading is fast and one text takes milliseconds.

    Args:
        dataset: the prepared folder.
        name: of a text encoder that it was prepared with.

    Raises:
        DataError: the folder has no such encoder, was prepared before encoders were stored, or its
            files are malformed.
    """
    if name not in dataset.manifest.text_encoders:
        known = ", ".join(dataset.manifest.text_encoders) or "none"
        raise DataError(
            f"{dataset.folder} has no text encoder {name!r} (it has: {known}); "
            f"prepare the data with --text_encoder={name}"
        )
    path = dataset.folder / schema.text_model_file(name)
    if schema.text_model_file(name) not in dataset.manifest.files:
        raise DataError(
            f"{dataset.folder} holds text features of {name!r}, but not the encoder that made "
            "them, which encoding further texts needs; prepare the data again"
        )
    inside = f"{schema.TEXT_FOLDER}/{name}/model/"
    for file in dataset.manifest.files:
        if file.startswith(inside):
            dataset.file(file)
    try:
        fitted = _load(path.parent)
    except (OSError, EOFError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        raise DataError(
            f"{path.parent}: not a readable text encoder ({error}); prepare the data again"
        ) from None
    width = dataset.manifest.text_encoders[name]["width"]
    if fitted.width != width:
        raise DataError(
            f"{path.parent}: its features are {fitted.width} wide, the manifest says {width}; "
            "prepare the data again"
        )
    return fitted
