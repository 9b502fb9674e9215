"""Checkpoints of a run, by Orbax.

    <workdir>/checkpoints/latest/<step>    all that training needs to go on
    <workdir>/checkpoints/best/<step>      the parameters with the best validation score

Each carries metadata as JSON (the settings, the data set, the progress of the run) and a list of
its contents: every array with its shape, every file with its checksum.
"""

import contextlib
import dataclasses
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import orbax.checkpoint as ocp

from symcere_jax.config import Config
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.schema import file_entry
from symcere_jax.errors import CheckpointError, ConfigError

FORMAT_VERSION = 1
FOLDER = "checkpoints"
CONTENTS = "contents.json"
Kind = Literal["latest", "best"]


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: steps done.
        best_score: best validation score so far; None before the first, or without validation data.
        best_step: steps done when it was reached.
        epochs_without_gain: epochs since.
        epoch_sums: each loss term, summed over the steps of an epoch that is not complete.
    """

    step: int = 0
    best_score: float | None = None
    best_step: int = 0
    epochs_without_gain: int = 0
    epoch_sums: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a checkpoint says of itself.

    Attributes:
        settings: flat resolved settings, as `Config.of` takes them.
        dataset: name of the data set.
        fingerprint: of the prepared folder.
        n_users: number of users.
        n_items: number of items.
        steps_per_epoch: follows from settings, data and devices; `progress` counts in it.
        progress: of the run.
    """

    settings: Mapping[str, Any]
    dataset: str
    fingerprint: str
    n_users: int
    n_items: int
    steps_per_epoch: int
    progress: Progress

    @classmethod
    def of(
        cls, config: Config, dataset: ReviewDataset, steps_per_epoch: int, progress: Progress
    ) -> "Metadata":
        """Describes a run on a prepared folder."""
        return cls(
            settings=config.flat(),
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            n_users=dataset.n_users,
            n_items=dataset.n_items,
            steps_per_epoch=steps_per_epoch,
            progress=progress,
        )

    @property
    def config(self) -> Config:
        """The settings of the run."""
        return Config.of(**self.settings)

    def check_dataset(self, dataset: ReviewDataset) -> None:
        """Refuses a prepared folder other than the one of the run.

        Raises:
            CheckpointError: the fingerprints differ.
        """
        if dataset.fingerprint != self.fingerprint:
            raise CheckpointError(
                f"the checkpoint was trained on {self.dataset!r} with {self.n_users} users and "
                f"{self.n_items} items (fingerprint {self.fingerprint}), but {dataset.folder} "
                f"holds {dataset.name!r} with {dataset.n_users} users and {dataset.n_items} items "
                f"(fingerprint {dataset.fingerprint}): give the folder that it was trained on, or "
                "train again"
            )


class Checkpoints:
    """The checkpoints of one workdir."""

    def __init__(self, workdir: str | Path) -> None:
        self.folder = Path(workdir).absolute() / FOLDER

    def steps(self, kind: Kind) -> list[int]:
        """Steps at which a complete checkpoint of a kind was written, ascending."""
        folder = self.folder / kind
        if not folder.is_dir():
            return []
        with self._manager(kind) as manager:
            return sorted(
                step for step in manager.all_steps() if (folder / str(step) / CONTENTS).exists()
            )

    def save(self, kind: Kind, tree: Any, metadata: Metadata) -> None:
        """Writes a checkpoint, unless there is one of the same step already.

        Args:
            kind: "latest" or "best".
            tree: arrays on one device.
            metadata: what the checkpoint says of itself.
        """
        step = metadata.progress.step if kind == "latest" else metadata.progress.best_step
        content = {"format_version": FORMAT_VERSION} | dataclasses.asdict(metadata)
        if step in self.steps(kind):
            return
        with self._manager(kind) as manager:
            if step in manager.all_steps():
                manager.delete(step)  # a save that was cut off before the list of contents
            manager.save(
                step,
                args=ocp.args.Composite(
                    tree=ocp.args.StandardSave(tree), metadata=ocp.args.JsonSave(content)
                ),
            )
        _write_contents(self.folder / kind / str(step), tree)

    def metadata(self, kind: Kind) -> Metadata:
        """Reads what the newest checkpoint of a kind says of itself.

        Raises:
            CheckpointError: there is none, it is damaged, or of another format version.
        """
        step = self._newest(kind)
        _read_contents(self.folder / kind / str(step), "metadata")
        with self._manager(kind) as manager:
            restored = manager.restore(
                step, args=ocp.args.Composite(metadata=ocp.args.JsonRestore())
            )
        content = dict(restored["metadata"])
        version = content.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{self.folder / kind}: format version {version}, this program reads "
                f"{FORMAT_VERSION}; train again"
            )
        try:
            progress = Progress(**content.pop("progress"))
            metadata = Metadata(progress=progress, **content)
            _ = metadata.config
        except (KeyError, TypeError, ConfigError) as error:
            raise CheckpointError(
                f"{self.folder / kind / str(step)}: metadata of another version ({error}); "
                "train again"
            ) from None
        return metadata

    def restore(self, kind: Kind, like: Any) -> Any:
        """Reads the newest checkpoint of a kind onto this machine's first device.

        Args:
            kind: "latest" or "best".
            like: a tree of the same structure, of arrays or `jax.ShapeDtypeStruct`.

        Raises:
            CheckpointError: there is none, or it is damaged or of another structure.
        """
        step = self._newest(kind)
        folder = self.folder / kind / str(step)
        saved, wanted = _read_contents(folder, "tree"), _describe_arrays(like)
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
        with self._manager(kind) as manager:
            restored = manager.restore(
                step, args=ocp.args.Composite(tree=ocp.args.StandardRestore(abstract))
            )
        return restored["tree"]

    def keep_only(self, kind: Kind, step: int | None) -> None:
        """Deletes the checkpoints of a kind, except that of a step; all of them if it is None."""
        with self._manager(kind) as manager:
            for other in manager.all_steps():
                if other != step:
                    manager.delete(other)

    def _newest(self, kind: Kind) -> int:
        steps = self.steps(kind)
        if not steps:
            raise CheckpointError(
                f"no checkpoint in {self.folder / kind}: train first, with "
                f"python launch/train.py --workdir={self.folder.parent}"
            )
        return steps[-1]

    @contextlib.contextmanager
    def _manager(self, kind: Kind) -> Iterator[ocp.CheckpointManager]:
        # Orbax logs every step of its work as a warning or an error; ours say what matters.
        logger = logging.getLogger("absl")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        try:
            options = ocp.CheckpointManagerOptions(enable_async_checkpointing=False, create=True)
            names = ("tree", "metadata")
            with ocp.CheckpointManager(self.folder / kind, options=options, item_names=names) as it:
                yield it
        finally:
            logger.setLevel(level)


def _describe_arrays(tree: Any) -> dict[str, str]:
    """Dtype and shape of each array of a tree, by its path."""
    return {
        jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _write_contents(folder: Path, tree: Any) -> None:
    """Lists the arrays and the files of a checkpoint; with that it is complete."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    contents = {
        "arrays": _describe_arrays(tree),
        "files": {str(path.relative_to(folder)): file_entry(path) for path in files},
    }
    # Written aside and renamed: there is never half a list.
    temporary = folder / f"{CONTENTS}.tmp"
    temporary.write_text(json.dumps(contents, indent=2) + "\n")
    temporary.replace(folder / CONTENTS)


def _read_contents(folder: Path, item: str) -> dict[str, str]:
    """Refuses a checkpoint of which a file changed; Orbax would fail at length, or not at all.

    Args:
        folder: of the checkpoint.
        item: the part of it to verify, "tree" or "metadata".

    Returns:
        Dtype and shape of each array, by its path in the tree.
    """
    remedy = "delete it, or train again in another workdir"
    try:
        contents = json.loads((folder / CONTENTS).read_text())
        arrays, files = contents["arrays"], contents["files"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder / CONTENTS} is damaged ({error}); {remedy}") from None
    for name, entry in files.items():
        path = folder / name
        if path.is_relative_to(folder / item) and (not path.is_file() or file_entry(path) != entry):
            raise CheckpointError(f"{path} is missing or damaged; {remedy}")
    return arrays
