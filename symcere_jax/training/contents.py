"""The list of what a checkpoint holds: every array with its shape, every file with its checksum.

It is written last: a folder without it is no checkpoint. It is removed first when a checkpoint is
deleted: who reads meanwhile sees that the folder went away, and does not take it for damaged.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from symcere_jax.data.schema import file_entry
from symcere_jax.errors import CheckpointError
from symcere_jax.files import replacing

FILE = "contents.json"


class DamagedError(CheckpointError):
    """Files of a checkpoint are missing or have changed; another checkpoint may be whole."""


def describe_arrays(tree: Any) -> dict[str, str]:
    """Dtype and shape of each array of a tree, by its path."""
    return {
        jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def write_contents(folder: Path, trees: Mapping[str, Any], best_step: int) -> None:
    """Lists the arrays and the files of a checkpoint; with that it is complete.

    Args:
        folder: of the checkpoint, all else is in it.
        trees: the arrays, by the name of their part.
        best_step: of the run, at the time.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _sync(path)  # what the list vouches for lies on the disk, whatever happens then
            files[str(path.relative_to(folder))] = file_entry(path)
    contents = {
        "best_step": best_step,
        "arrays": {name: describe_arrays(tree) for name, tree in trees.items()},
        "files": files,
    }
    with replacing(folder / FILE) as aside:
        aside.write_text(json.dumps(contents, indent=2) + "\n")
        _sync(aside)
    _sync(folder)


def read_contents(folder: Path) -> dict[str, Any]:
    """The list of a checkpoint: "arrays" by part, "files", "best_step".

    Raises:
        DamagedError: it is missing or malformed.
    """
    try:
        contents = json.loads((folder / FILE).read_text(encoding="utf-8"))
        arrays, files = contents["arrays"], dict(contents["files"])
        if not all(isinstance(part, Mapping) for part in arrays.values()):
            arrays = {"tree": arrays}  # as it was before there were several parts
        return {"arrays": arrays, "files": files, "best_step": contents.get("best_step")}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{folder / FILE} is damaged ({error})") from None


def verify(folder: Path, part: str) -> dict[str, str]:
    """Refuses a checkpoint of which a file changed; Orbax would fail at length, or not at all.

    Args:
        folder: of the checkpoint.
        part: what of it to verify, "tree", "best" or "metadata".

    Returns:
        Dtype and shape of each array of the part, by its path in the tree.

    Raises:
        DamagedError: a file of it is missing or has another content.
    """
    contents = read_contents(folder)
    for name, entry in contents["files"].items():
        path = folder / name
        if path.is_relative_to(folder / part):
            try:
                whole = file_entry(path) == entry
            except OSError:
                whole = False
            if not whole:
                raise DamagedError(f"{path} is missing or damaged")
    return contents["arrays"].get(part, {})


def has_part(folder: Path, part: str) -> bool:
    """Whether a checkpoint lists arrays of a part."""
    return part in read_contents(folder)["arrays"]


def is_complete(folder: Path) -> bool:
    """Whether a checkpoint was written to its end, and is not being deleted."""
    return (folder / FILE).is_file()


def delete(folder: Path) -> None:
    """Deletes a checkpoint, or what is left of one."""
    (folder / FILE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
