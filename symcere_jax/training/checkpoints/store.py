"""Checkpoints of a run, by Orbax.

    <workdir>/checkpoints/<number>/
        state         all that training needs to resume
        best          the parameters with the best validation score so far; of several experts, by
                      name
        embeddings    what scoring needs, computed from these
        neighbors     of a run of several experts, which has no state of its own
        ids           external ids of its rows, users and items
        contents.json metadata, arrays, and a checksum of every file; written last

Checkpoints are numbered in the order in which they are written, and each is complete by itself. If
the newest is damaged, the previous one is used, with a warning.
"""

import contextlib
import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import unflatten_dict

from symcere_jax import hints
from symcere_jax.errors import CheckpointError, StorageError
from symcere_jax.settings import KEEP
from symcere_jax.training.checkpoints import orbax_io
from symcere_jax.training.checkpoints.contents import (
    Contents,
    DamagedError,
    delete,
    describe_arrays,
    is_complete,
)
from symcere_jax.training.checkpoints.metadata import Metadata

FOLDER = "checkpoints"
EXPERTS_FOLDER = "experts"  # of a workdir, with the run of each expert
_NAME = re.compile(r"\d+(\.orbax-checkpoint-tmp.*)?")  # Orbax renames when all is written
_ATTEMPTS = 10  # to read a checkpoint before training deletes it

_LOG = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one workdir."""

    def __init__(self, workdir: str | Path) -> None:
        self.folder = Path(workdir).absolute() / FOLDER

    def numbers(self) -> list[int]:
        """Numbers of the complete checkpoints, ascending."""
        return sorted(
            int(path.name)
            for path in self._folders()
            if path.name.isdecimal() and is_complete(path)
        )

    def save(
        self,
        parts: Mapping[str, Any],
        metadata: Metadata,
        *,
        ids: Sequence[Path] = (),
        keep: int = KEEP,
    ) -> None:
        """Writes a checkpoint, unless the newest one is of the same metadata.

        Earlier ones are deleted afterwards: whenever a save is cut off, there is one to resume.

        Args:
            parts: trees of arrays on one device, by the name of the part.
            metadata: of the run.
            ids: files with the external ids of the rows, which are copied.
            keep: how many checkpoints to keep.

        Raises:
            StorageError: it cannot be written; what was there before still is.
        """
        numbers = self.numbers()
        with contextlib.suppress(CheckpointError):
            if numbers and Contents.read(self._path(numbers[-1])).metadata == metadata:
                return
        number = numbers[-1] + 1 if numbers else 0
        self._write(number, parts, metadata, ids)
        self._delete_except([*numbers, number][-max(keep, 1) :])

    def read(
        self, likes: Callable[[Metadata], Mapping[str, Any]], *, delete_damaged: bool = False
    ) -> tuple[Metadata, dict[str, Any]]:
        """Reads parts of the newest checkpoint that is whole; training may continue meanwhile.

        Args:
            likes: the structure of each part that is wanted, of arrays or `jax.ShapeDtypeStruct`;
                None: arrays by name, as they are. Raises an error where the checkpoint is not the
                one that is wanted.
            delete_damaged: delete newer ones, which are damaged, for a run that will write them
                again.

        Returns:
            Metadata, and the parts, on this machine's first device.

        Raises:
            CheckpointError: there is none, all are damaged, or they are of another model.
        """
        damages: list[DamagedError] = []
        for _ in range(_ATTEMPTS):
            damages = []
            for number in reversed(self.numbers()):
                folder = self._path(number)
                try:
                    contents = Contents.read(folder)
                    parts = {
                        part: _read_part(folder, contents, part, like)
                        for part, like in likes(contents.metadata).items()
                    }
                except DamagedError as error:
                    if not is_complete(folder):
                        break  # training has deleted it: there is a newer one
                    damages.append(error)
                    continue
                for damage in damages:
                    _LOG.warning("%s; %s is used instead", damage, folder)
                if delete_damaged:
                    self._delete_except([kept for kept in self.numbers() if kept <= number])
                return contents.metadata, parts
            else:
                break
        if not damages:
            raise CheckpointError(
                f"no checkpoint in {self.folder}: train first, with "
                + hints.command("train", dataset="DATASET", workdir=self.folder.parent)
            )
        raise CheckpointError(
            f"{damages[0]}, and no other checkpoint is intact: train again in another workdir"
        )

    def metadata(self) -> Metadata:
        """The metadata of the newest whole checkpoint.

        Raises:
            CheckpointError: there is none, all are damaged, or of another format version.
        """
        return self.read(lambda metadata: {})[0]

    def clear(self) -> None:
        """Deletes what is left of a run whose first save was cut off."""
        self._delete_except([])

    def _write(
        self, number: int, trees: Mapping[str, Any], metadata: Metadata, ids: Sequence[Path]
    ) -> None:
        folder = self._path(number)
        # Orbax takes a device's own arrays for a mistake where there are several processes.
        host = {name: jax.tree.map(np.asarray, tree) for name, tree in trees.items()}
        try:
            delete(folder)  # a save that was cut off before its contents
            folder.parent.mkdir(parents=True, exist_ok=True)
            orbax_io.write_arrays(folder, host)
            (folder / "ids").mkdir()
            for path in ids:
                shutil.copyfile(path, folder / "ids" / path.name)
            Contents.write(folder, metadata, host)
        except (OSError, ValueError) as error:
            for path in self._folders():
                if path.name.partition(".")[0] == folder.name:
                    delete(path)
            numbers = self.numbers()
            kept = f"{self._path(numbers[-1])} is kept" if numbers else "there is none yet"
            raise StorageError(
                f"cannot write checkpoint {folder}: {orbax_io.reason(error)}; {kept}: make room, "
                "then give the same command again, and it resumes"
            ) from error

    def _delete_except(self, kept: list[int]) -> None:
        names = {str(number) for number in kept}
        for path in self._folders():
            if path.name not in names:
                delete(path)

    def _path(self, number: int) -> Path:
        return self.folder / str(number)

    def _folders(self) -> list[Path]:
        """Folders of checkpoints, also of saves that were cut off, but of nothing else."""
        try:
            paths = [path for path in self.folder.iterdir() if path.is_dir()]
            return [path for path in paths if _NAME.fullmatch(path.name)]
        except OSError:
            return []


def _read_part(folder: Path, contents: Contents, part: str, like: Any) -> Any:
    saved = contents.verify(folder, part)
    if like is None:
        shapes = {
            name: jax.ShapeDtypeStruct(shape, dtype) for name, (dtype, shape) in saved.items()
        }
        like = unflatten_dict(shapes, sep="/")
    wanted = describe_arrays(like)
    for name in sorted(saved.keys() | wanted.keys()):
        if saved.get(name) != wanted.get(name):
            raise CheckpointError(
                f"{folder}: not a checkpoint of this model: {name} is "
                f"{saved.get(name, 'missing')}, must be {wanted.get(name, 'missing')}; train "
                "again in another workdir"
            )
    return orbax_io.read_arrays(folder, part, like)
