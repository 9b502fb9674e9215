"""Writing a checkpoint that differs from another in some layers, in the form of the other.

Weight files are copied byte by byte, then the tensors of the changed layers are overwritten where
they lie: names, order, dtypes, metadata and all other tensors stay as they are.
"""

import dataclasses
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.errors import DataError
from symcere_jax.text.language_models.checkpoint import layer_name, read_layers
from symcere_jax.text.language_models.weights import full_names, weight_files

_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16}
_SETTINGS = (".json", ".txt", ".model")  # configuration, tokeniser, pooling


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a tensor lies, and as what."""

    path: Path
    start: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def write_changed(source: Path, target: Path, layers: Mapping[int, Any]) -> list[str]:
    """Writes a copy of a model in which some layers have other parameters.

    Parameters are rounded to the dtype that their tensor has in the source.

    Args:
        source: folder of the model, in the form of Hugging Face and sentence-transformers.
        target: folder to write into; it exists and is empty.
        layers: parameters of the layers by number, as `Checkpoint` has them.

    Returns:
        Names of the tensors that were overwritten, sorted.

    Raises:
        DataError: a file of the source is missing or malformed, or a tensor of a kind that is not
            known here.
    """
    for path in source.rglob("*"):
        if path.suffix in _SETTINGS and path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    places: dict[str, _Place] = {}
    for path in weight_files(source):
        shutil.copyfile(path, target / path.name)
        places |= _places(target / path.name)
    tensors = _tensors(source, places, layers)
    for name, values in tensors.items():
        place = places[name]
        with place.path.open("r+b") as file:
            file.seek(place.start)
            file.write(values.astype(_DTYPES[place.dtype]).tobytes())
    return sorted(tensors)


def _tensors(
    source: Path, places: Mapping[str, _Place], layers: Mapping[int, Any]
) -> dict[str, np.ndarray]:
    """The tensors that some layers are made of, flat, by their names in the checkpoint.

    A layer is read once more, with the number of each element of its tensors in place of its
    value: what is found in a parameter then says where its elements belong.
    """
    find = full_names(source, places)
    starts: dict[str, int] = {}
    total = 0

    def numbers(name: str) -> np.ndarray:
        nonlocal total
        full = find(name)
        place = places[full]
        if place.dtype not in _DTYPES:
            raise DataError(f"{source}: tensor {full!r} is of type {place.dtype}, not of floats")
        starts[full] = total
        total += place.size
        return np.arange(starts[full], total).reshape(place.shape)

    targets = read_layers(source, sorted(layers), numbers)
    parameters = {layer_name(number): layer for number, layer in layers.items()}
    flat = np.full(total, np.nan, np.float64)

    def put(rows: np.ndarray, values: Any) -> None:
        flat[rows.reshape(-1)] = np.asarray(values, np.float32).reshape(-1)

    jax.tree.map(put, targets, parameters)
    if np.isnan(flat).any():
        raise DataError(f"{source}: parameters to write are no numbers, or not all there")
    return {name: flat[start : start + places[name].size] for name, start in starts.items()}


def _places(path: Path) -> dict[str, _Place]:
    """The tensors of a file, from its header: its length in 8 bytes, then JSON."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("a header longer than the file")
            header = json.loads(file.read(length))
        return {
            name: _Place(
                path, 8 + length + entry["data_offsets"][0], entry["dtype"], tuple(entry["shape"])
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not readable as safetensors ({error})") from None
