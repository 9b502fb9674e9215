"""Tensors of checkpoints in the safetensors format."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from symcere_jax.errors import DataError

ReadTensor = Callable[[str], np.ndarray]

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder.

    Raises:
        DataError: there are none, or their index is malformed.
    """
    if (folder / _WEIGHTS).is_file():
        return [folder / _WEIGHTS]
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        names = sorted(set(index["weight_map"].values()))
        if any(Path(name).name != name for name in names):
            raise ValueError("a name that leads out of the folder")
        return [folder / name for name in names]
    except FileNotFoundError:
        raise DataError(
            f"{folder} has no {_WEIGHTS}: only weights in the safetensors format are read"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{folder / _INDEX}: malformed ({error})") from None


@contextlib.contextmanager
def open_weights(folder: Path) -> Iterator[ReadTensor]:
    """Opens the weights of a model folder.

    Yields:
        A function that returns a tensor by its name, as float32. The name may lack its first part,
        as `bert` in `bert.embeddings…`.

    Raises:
        DataError: a file is missing or malformed, or there is no tensor of a name.
    """
    with contextlib.ExitStack() as stack:
        files = {}
        for path in weight_files(folder):
            try:
                file = stack.enter_context(safe_open(path, framework="flax"))
            except (OSError, SafetensorError) as error:
                raise DataError(f"{path}: not readable as safetensors ({error})") from None
            files.update(dict.fromkeys(file.keys(), file))
        by_ending = {name.partition(".")[2]: name for name in files}

        def read(name: str) -> np.ndarray:
            full = name if name in files else by_ending.get(name)
            if full is None:
                raise DataError(f"{folder}: the weights have no tensor {name!r}")
            return np.asarray(files[full].get_tensor(full)).astype(np.float32)

        yield read


def read_dense(read: ReadTensor, *names: str, has_bias: bool = True) -> dict[str, np.ndarray]:
    """Flax parameters of a dense layer that joins the outputs of torch layers of some names.

    Raises:
        DataError: a tensor is missing.
    """
    parameters = {"kernel": np.concatenate([read(f"{name}.weight").T for name in names], axis=1)}
    if has_bias:
        parameters["bias"] = np.concatenate([read(f"{name}.bias") for name in names])
    return parameters


def read_norm(read: ReadTensor, name: str, *, has_bias: bool = True) -> dict[str, np.ndarray]:
    """Flax parameters of a torch norm."""
    parameters = {"scale": read(f"{name}.weight")}
    return parameters | ({"bias": read(f"{name}.bias")} if has_bias else {})
