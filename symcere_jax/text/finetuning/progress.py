"""How far a fine-tuning has come, on disk: one file, replaced as a whole."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from symcere_jax.errors import CheckpointError
from symcere_jax.files import replacing

FILE = "progress.safetensors"


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        step: steps done.
        loss_sum: of the steps of the epoch under way.
        epochs: of each epoch that was scored, from 0, its number, mean loss and valid score.
        best_epoch: the one of the best score.
    """

    step: int = 0
    loss_sum: float = 0.0
    epochs: tuple[Mapping[str, float], ...] = ()
    best_epoch: int = 0

    @property
    def best_score(self) -> float:
        """The score of the best epoch."""
        return self.epochs[self.best_epoch]["valid"]


def save(folder: Path, settings: Mapping[str, Any], progress: Progress, trees: Any) -> None:
    """Writes where a run stands, in the place of what is there.

    Args:
        folder: made if it is missing.
        settings: what the run depends on.
        progress: how far it has come.
        trees: arrays of all that it needs to go on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = json.dumps({"settings": settings, "progress": dataclasses.asdict(progress)})
    arrays = _named(trees)
    with replacing(folder / FILE) as aside:
        save_file(arrays, aside, metadata={"run": run, "sha256": _checksum(run, arrays)})
        with aside.open("rb") as file:
            os.fsync(file.fileno())


def load(folder: Path, settings: Mapping[str, Any], trees: Any) -> tuple[Progress, Any] | None:
    """Reads where a run stands.

    Args:
        folder: of the run.
        settings: what this run depends on.
        trees: of the structure of what is read.

    Returns:
        How far it has come, and its arrays; None where nothing was saved.

    Raises:
        CheckpointError: the run has other settings, or the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            content = json.loads(metadata["run"])
            if difference := _difference(json.loads(json.dumps(settings)), content["settings"]):
                raise CheckpointError(
                    f"{folder} holds the beginning of another run ({difference}): delete it, give "
                    "its settings, or choose another --output"
                )
            progress = content["progress"]
            progress["epochs"] = tuple(progress["epochs"])
            arrays = {name: file.get_tensor(name) for name in _named(trees)}
        if _checksum(metadata["run"], arrays) != metadata["sha256"]:
            raise ValueError("its checksum is another")
        leaves = [arrays[name] for name in _named(trees)]
        return Progress(**progress), jax.tree.unflatten(jax.tree.structure(trees), leaves)
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): delete {folder}") from None


def _named(trees: Any) -> dict[str, np.ndarray]:
    """The arrays of a tree, in its order, by their place in it."""
    return {
        jax.tree_util.keystr(path): np.asarray(leaf, order="C")
        for path, leaf in jax.tree_util.tree_leaves_with_path(trees)
    }


def _checksum(run: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Of what the file holds, whatever its layout."""
    digest = hashlib.sha256(run.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _difference(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={wanted.get(name)}, there {found.get(name)}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    )
