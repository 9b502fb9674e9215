"""Files of fitted text encoders: `text/<encoder>/model/` in a prepared folder."""

import json
from pathlib import Path

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.stored_files import NOT_NUMPY
from symcere_jax.errors import DataError
from symcere_jax.text.encoders.base import FittedTextEncoder
from symcere_jax.text.encoders.combination import FittedCombined
from symcere_jax.text.encoders.fitted_lsa import FittedLsa
from symcere_jax.text.encoders.transformer import FittedTransformer

_CLASSES = {each.kind: each for each in (FittedLsa, FittedTransformer)}
_KIND = "model.json"
_PART = "encoder_{}"


def save_text_encoder(fitted: FittedTextEncoder, folder: Path, *, compact: bool = False) -> None:
    """Writes a fitted encoder.

    Args:
        fitted: the encoder.
        folder: new.
        compact: stores LSA in less space; see `FittedLsa.compacted`.
    """
    folder.mkdir(parents=True)
    parts = fitted.encoders if isinstance(fitted, FittedCombined) else []
    for number, encoder in enumerate(parts):
        save_text_encoder(encoder, folder / _PART.format(number), compact=compact)
    if compact and isinstance(fitted, FittedLsa):
        fitted = fitted.compacted()
    fitted.save(folder)
    content = json.dumps({"kind": fitted.kind, "encoders": len(parts)})
    (folder / _KIND).write_text(content + "\n", encoding="utf-8")


def read_text_encoder(folder: Path) -> FittedTextEncoder:
    """Reads an encoder that `save_text_encoder` wrote; large arrays are mapped.

    Raises:
        DataError: a file is missing or malformed.
    """
    try:
        content = json.loads((folder / _KIND).read_text(encoding="utf-8"))
        if content["kind"] == FittedCombined.kind:
            parts = [folder / _PART.format(number) for number in range(content["encoders"])]
            return FittedCombined([*map(read_text_encoder, parts)])
        return _CLASSES[content["kind"]].load(folder)
    except (*NOT_NUMPY, LookupError, TypeError) as error:
        raise DataError(
            f"{folder}: not a readable text encoder ({error}); prepare the data again"
        ) from None


def load_text_encoder(dataset: ReviewDataset, name: str) -> FittedTextEncoder:
    """Opens the encoder that made text features of a prepared folder.

    Args:
        dataset: the prepared folder.
        name: of the features.

    Raises:
        DataError: there are no such features, they are precomputed, or a file is missing or
            malformed.
    """
    entries = dataset.manifest.text_encoders
    if name not in entries:
        raise DataError(
            f"{dataset.folder} has no text encoder {name!r}, only {', '.join(entries) or 'none'}; "
            f"prepare the data with --text_encoder={name}"
        )
    path = dataset.folder / schema.text_model_file(name)
    if schema.text_model_file(name) not in dataset.manifest.files:
        raise DataError(
            f"{dataset.folder}: the text features {name!r} have no encoder "
            "(--text_encoder=precomputed), so new texts cannot be encoded"
        )
    for file in dataset.manifest.files:
        if file.startswith(f"{schema.TEXT_FOLDER}/{name}/model/"):
            dataset.file(file)  # verifies its checksum
    fitted = read_text_encoder(path.parent)
    width = entries[name]["width"]
    if fitted.width != width:
        raise DataError(
            f"{path.parent}: its features are {fitted.width} wide, the manifest says {width}; "
            "prepare the data again"
        )
    return fitted
