"""The list of what a checkpoint holds: its metadata, every array with its shape, every file.

It is written last: a folder without it is not a checkpoint. It is removed first when a checkpoint
is deleted, so that readers do not take the checkpoint for damaged.
"""

import dataclasses
import hashlib
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
from symcere_jax.training.checkpoints.metadata import Metadata

FILE = "contents.json"

# Path in a tree -> [dtype, shape].
Arrays = dict[str, list[Any]]


class DamagedError(CheckpointError):
    """Files of a checkpoint are missing or have changed; another checkpoint may be whole."""


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a checkpoint holds."""

    metadata: Metadata
    arrays: Mapping[str, Arrays]  # of each part
    # Size and checksum of each file, by its path in the checkpoint.
    files: Mapping[str, Mapping[str, Any]]

    @classmethod
    def write(cls, folder: Path, metadata: Metadata, trees: Mapping[str, Any]) -> None:
        """Lists all files of a folder; with that it is a complete checkpoint."""
        files = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                _sync(path)  # before the list says that it is there
                files[str(path.relative_to(folder))] = file_entry(path)
        content = {
            "metadata": metadata.as_dict(),
            "arrays": {name: describe_arrays(tree) for name, tree in trees.items()},
            "files": files,
        }
        with replacing(folder / FILE) as partial:
            partial.write_text(
                json.dumps(content | {"sha256": _checksum(content)}, indent=2) + "\n"
            )
            _sync(partial)
        _sync(folder)

    @classmethod
    def read(cls, folder: Path) -> "Contents":
        """The list of a checkpoint.

        Raises:
            DamagedError: it is missing or damaged.
            CheckpointError: another version of the program wrote it.
        """
        path = folder / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("sha256") != _checksum(content):
                raise ValueError("its checksum differs")
            metadata, arrays, files = (content[name] for name in ("metadata", "arrays", "files"))
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise DamagedError(f"{path} is damaged ({error})") from None
        return cls(Metadata.from_dict(metadata, str(folder)), arrays, files)

    def verify(self, folder: Path, part: str) -> Arrays:
        """Checks the files of a part, on which Orbax would fail at length, or not at all.

        Returns:
            Its arrays.

        Raises:
            DamagedError: a file of it is missing or has other content.
        """
        for name, entry in self.files.items():
            if Path(name).is_relative_to(part):
                try:
                    is_whole = file_entry(folder / name) == entry
                except OSError:
                    is_whole = False
                if not is_whole:
                    raise DamagedError(f"{folder / name} is missing or damaged")
        return self.arrays[part]


def describe_arrays(tree: Any) -> Arrays:
    """Dtype and shape of each array of a tree, by its path."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): [str(leaf.dtype), list(leaf.shape)]
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def is_complete(folder: Path) -> bool:
    """Whether a checkpoint was written to its end, and is not being deleted."""
    return (folder / FILE).is_file()


def delete(folder: Path) -> None:
    """Deletes a checkpoint, or what is left of one."""
    (folder / FILE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
