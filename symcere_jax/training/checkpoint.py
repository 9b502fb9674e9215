"""Checkpoints of a run, by Orbax.

    <workdir>/checkpoints/latest/<step>    all that training needs to go on
    <workdir>/checkpoints/best/<step>      the parameters with the best validation score

Each has parts: "tree", the arrays; "metadata", as JSON; and for the latest "best", the parameters
with the best score so far once more. With that each latest checkpoint is whole by itself, and the
best parameters are there several times. A list of contents with checksums (see `contents`) is
written last. Where the newest checkpoint is damaged, the one before it serves, with a warning.
"""

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import orbax.checkpoint as ocp

from symcere_jax.errors import CheckpointError, StorageError
from symcere_jax.training import contents
from symcere_jax.training.contents import DamagedError
from symcere_jax.training.metadata import Metadata, Progress

__all__ = ["Checkpoints", "Metadata", "Progress"]

FOLDER = "checkpoints"
KEEP = 2
CheckpointKind = Literal["latest", "best"]
_KINDS: tuple[CheckpointKind, ...] = ("latest", "best")
_ATTEMPTS = 10  # to read a checkpoint before training deletes it

_LOG = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one workdir."""

    def __init__(self, workdir: str | Path) -> None:
        self.folder = Path(workdir).absolute() / FOLDER

    def steps(self, kind: CheckpointKind) -> list[int]:
        """Steps at which a complete checkpoint of a kind was written, ascending."""
        return sorted(
            int(path.name)
            for path in self._folders(kind)
            if path.name.isdecimal() and contents.is_complete(path)
        )

    def save(self, state: Any, best_params: Any, metadata: Metadata, *, keep: int = KEEP) -> None:
        """Writes the latest and the best checkpoint, where they are not there already.

        Earlier ones are deleted afterwards: whenever a save is cut off, there is one to go on from.

        Args:
            state: arrays on one device: all that training needs.
            best_params: the parameters with the best score, as `metadata.progress` tells of them.
            metadata: what the checkpoints say of themselves.
            keep: how many of the latest to keep, with the best that each of them speaks of.

        Raises:
            StorageError: they cannot be written; what was there before still is.
        """
        progress = metadata.progress
        self._write("best", progress.best_step, {"tree": best_params}, metadata)
        self._write("latest", progress.step, {"tree": state, "best": best_params}, metadata)
        kept = self.steps("latest")[-max(keep, 1) :]
        best = {progress.best_step}
        for step in kept:
            with contextlib.suppress(DamagedError):
                best.add(contents.read_contents(self._folder("latest", step))["best_step"])
        self._delete_others("latest", set(kept))
        self._delete_others("best", best)

    def restore(
        self, state: Any, params: Any, check: Callable[[Metadata], None] = lambda metadata: None
    ) -> tuple[Metadata, Any, Any]:
        """Reads the newest checkpoint that is whole, for training to go on from it.

        What follows it, or is damaged, is deleted: the run will write it again.

        Args:
            state: a tree of the structure of the state, of arrays or `jax.ShapeDtypeStruct`.
            params: the same for the parameters.
            check: raises an error where the run is another one.

        Returns:
            What the checkpoint says of itself, the state, and the best parameters, on this
            machine's first device.

        Raises:
            CheckpointError: there is none, all are damaged, or they are of another model.
        """
        damages: list[DamagedError] = []
        for step in reversed(self.steps("latest")):
            folder = self._folder("latest", step)
            try:
                metadata = self._read_metadata(folder)
                check(metadata)
                found = self._read_arrays(folder, "tree", state)
                best = self._best_of(metadata, folder, params)
            except DamagedError as error:
                damages.append(error)
                continue
            _warn(damages, folder)
            self._forget_after(metadata.progress)
            return metadata, found, best
        raise self._none("latest", damages)

    def restore_best(self, like: Callable[[Metadata], Any]) -> tuple[Metadata, Any]:
        """Reads the best parameters; training may write and delete checkpoints meanwhile.

        Args:
            like: gives the structure of the parameters, of arrays or `jax.ShapeDtypeStruct`; raises
                an error where the checkpoint is not the one that is wanted.

        Returns:
            What the checkpoint says of itself, and the parameters on this machine's first device.

        Raises:
            CheckpointError: there is none, all are damaged, or they are of another model.
        """
        return self._newest("best", lambda folder, part, metadata: self._read_arrays(
            folder, part, like(metadata)
        ))  # fmt: skip

    def metadata(self, kind: CheckpointKind) -> Metadata:
        """What the newest whole checkpoint of a kind says of itself.

        Raises:
            CheckpointError: there is none, all are damaged, or of another format version.
        """
        return self._newest(kind, lambda folder, part, metadata: None)[0]

    def clear(self) -> None:
        """Deletes what is left of a run of which no complete checkpoint was written."""
        for kind in _KINDS:
            self._delete_others(kind, set())

    def _write(
        self, kind: CheckpointKind, step: int, trees: dict[str, Any], metadata: Metadata
    ) -> None:
        folder = self._folder(kind, step)
        if contents.is_complete(folder):
            return
        contents.delete(folder)  # a save that was cut off before the list of contents
        # Orbax takes a device's own arrays for a mistake where there are several processes.
        host = {name: jax.tree.map(np.asarray, tree) for name, tree in trees.items()}
        parts: dict[str, Any] = {name: ocp.args.StandardSave(tree) for name, tree in host.items()}
        parts["metadata"] = ocp.args.JsonSave(metadata.content())
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _orbax() as orbax:
                orbax.save(folder, args=ocp.args.Composite(**parts))
            contents.write_contents(folder, trees, metadata.progress.best_step)
        except (OSError, ValueError) as error:
            # Of several arrays that cannot be written, Orbax asks for the first; asyncio would tell
            # of the others, with a traceback, once they are forgotten.
            logging.getLogger("asyncio").addFilter(_is_asked_for)
            for path in folder.parent.glob(f"{step}*"):
                if path == folder or not path.name.isdecimal():
                    contents.delete(path)
            steps = self.steps("latest")
            kept = f"the last good one, of step {steps[-1]}, is kept" if steps else "there is none"
            raise StorageError(
                f"cannot write a checkpoint to {folder}: {_reason(error)}; {kept}: make room, then "
                "give the same command again, and it goes on from there"
            ) from error

    def _newest(
        self, kind: CheckpointKind, read: Callable[[Path, str, Metadata], Any]
    ) -> tuple[Metadata, Any]:
        """Reads the newest checkpoint of a kind that can be read."""
        damages: list[DamagedError] = []
        for _ in range(_ATTEMPTS):
            damages = []
            for folder, part in self._sources(kind):
                try:
                    metadata = self._read_metadata(folder)
                    found = read(folder, part, metadata)
                except DamagedError as error:
                    if not contents.is_complete(folder):
                        break  # training has deleted it: there is a newer one
                    damages.append(error)
                else:
                    _warn(damages, folder)
                    return metadata, found
            else:
                break
        raise self._none(kind, damages)

    def _sources(self, kind: CheckpointKind) -> Iterator[tuple[Path, str]]:
        """Folders and their parts that hold arrays of a kind, the newest first."""
        steps = self.steps(kind)
        if not steps:
            return
        yield self._folder(kind, steps[-1]), "tree"
        found = [(step, 1, self._folder(kind, step), "tree") for step in steps[:-1]]
        if kind == "best":  # the latest checkpoints hold it too
            for step in self.steps("latest"):
                folder = self._folder("latest", step)
                with contextlib.suppress(CheckpointError):
                    best_step = self._read_metadata(folder).progress.best_step
                    if contents.has_part(folder, "best"):
                        found.append((best_step, 0, folder, "best"))
        for *_, folder, part in sorted(found, reverse=True):
            yield folder, part

    def _best_of(self, metadata: Metadata, latest: Path, params: Any) -> Any:
        """The best parameters that a latest checkpoint speaks of."""
        best = self._folder("best", metadata.progress.best_step)
        if not contents.has_part(latest, "best"):
            return self._read_arrays(best, "tree", params)
        try:
            return self._read_arrays(latest, "best", params)
        except DamagedError as error:
            found = self._read_arrays(best, "tree", params)
            _warn([error], best)
            return found

    def _forget_after(self, progress: Progress) -> None:
        """Deletes what is later than a run has come, is damaged, or was not written to its end."""
        self._delete_others("latest", {s for s in self.steps("latest") if s <= progress.step})
        wanted = {step for step in self.steps("best") if step <= progress.best_step}
        try:
            folder = self._folder("best", progress.best_step)
            contents.verify(folder, "metadata")
            contents.verify(folder, "tree")
        except DamagedError:
            wanted.discard(progress.best_step)
        self._delete_others("best", wanted)

    def _delete_others(self, kind: CheckpointKind, wanted: set[int]) -> None:
        keep = {str(step) for step in wanted}
        for path in self._folders(kind):
            if path.name not in keep:
                contents.delete(path)

    def _read_metadata(self, folder: Path) -> Metadata:
        contents.verify(folder, "metadata")
        with _orbax(folder) as orbax:
            args = ocp.args.Composite(metadata=ocp.args.JsonRestore())
            restored = orbax.restore(folder, args=args)
        return Metadata.of_content(restored["metadata"], str(folder))

    def _read_arrays(self, folder: Path, part: str, like: Any) -> Any:
        saved, wanted = contents.verify(folder, part), contents.describe_arrays(like)
        for name in sorted(saved.keys() | wanted.keys()):
            if saved.get(name) != wanted.get(name):
                raise CheckpointError(
                    f"{folder}: not a checkpoint of this model: {name} is "
                    f"{saved.get(name, 'missing')}, must be {wanted.get(name, 'missing')}; train "
                    "again in another workdir"
                )
        # The devices that wrote it need not exist here: name the device to read onto.
        device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), like
        )
        args: Any = {part: ocp.args.StandardRestore(abstract)}
        with _orbax(folder) as orbax:
            return orbax.restore(folder, args=ocp.args.Composite(**args))[part]

    def _none(self, kind: CheckpointKind, damages: list[DamagedError]) -> CheckpointError:
        workdir = self.folder.parent
        if not damages:
            return CheckpointError(
                f"no checkpoint in {self.folder / kind}: train first, with "
                f"python launch/train.py --dataset=DATASET --workdir={workdir}"
            )
        remedy = "train again in another workdir"
        if kind == "latest" and self.steps("best"):
            remedy += f", maybe with --warm_start={workdir}"
        return CheckpointError(f"{damages[0]}, and no other checkpoint is whole: {remedy}")

    def _folder(self, kind: CheckpointKind, step: int) -> Path:
        return self.folder / kind / str(step)

    def _folders(self, kind: CheckpointKind) -> list[Path]:
        """Folders of a kind, also of saves that were cut off."""
        try:
            return [path for path in (self.folder / kind).iterdir() if path.is_dir()]
        except OSError:
            return []


def _warn(damages: list[DamagedError], used: Path) -> None:
    for error in damages:
        _LOG.warning("%s; %s is used instead", error, used)


def _is_asked_for(record: logging.LogRecord) -> bool:
    return "exception was never retrieved" not in record.getMessage()


def _reason(error: Exception) -> str:
    """Why something cannot be written; Orbax tells it within several lines of its own."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES):
        if os.strerror(code) in str(error):
            return os.strerror(code)
    return " ".join(str(error).split())[:300]


@contextlib.contextmanager
def _orbax(folder: Path | None = None) -> Iterator[ocp.Checkpointer]:
    """Orbax, which is quiet.

    Args:
        folder: that is read; what goes wrong then is told as damage of it.
    """
    # Orbax logs every step of its work as a warning or an error; ours say what matters.
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        process = jax.process_index()
        # Each process by itself: the first one alone writes, and any of them may read.
        alone = ocp.options.MultiprocessingOptions(
            primary_host=process,
            active_processes={process},
            barrier_sync_key_prefix=f"process_{process}",
        )
        options = ocp.CompositeOptions(multiprocessing_options=alone)
        handler = ocp.CompositeCheckpointHandler(composite_options=options)
        with ocp.Checkpointer(handler, multiprocessing_options=alone) as orbax:
            yield orbax
    except (OSError, ValueError, KeyError, TypeError) as error:
        if folder is None:
            raise
        reason = " ".join(str(error).split())[:300]
        raise DamagedError(f"{folder} is damaged ({reason})") from error
    finally:
        logger.setLevel(level)
