"""What a checkpoint says of itself: settings, data set, progress of the run."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import CheckpointError, ConfigError
from symcere_jax.settings import ResolvedSettings

FORMAT_VERSION = 1


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
        settings: flat resolved settings, by name.
        dataset: name of the data set.
        fingerprint: of the prepared folder.
        n_users: number of users.
        n_items: number of items.
        steps_per_epoch: follows from settings, data and devices; `progress` counts in it.
        progress: of the run.
        batch_size: interactions a step, over all devices; None where it was not written down.
    """

    settings: Mapping[str, Any]
    dataset: str
    fingerprint: str
    n_users: int
    n_items: int
    steps_per_epoch: int
    progress: Progress
    batch_size: int | None = None

    @classmethod
    def of(
        cls,
        config: ResolvedSettings,
        dataset: ReviewDataset,
        steps_per_epoch: int,
        progress: Progress,
        batch_size: int | None = None,
    ) -> "Metadata":
        """Describes a run on a prepared folder."""
        return cls(
            settings=config.as_dict(),
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            n_users=dataset.n_users,
            n_items=dataset.n_items,
            steps_per_epoch=steps_per_epoch,
            progress=progress,
            batch_size=batch_size,
        )

    @property
    def config(self) -> ResolvedSettings:
        """The settings of the run."""
        return ResolvedSettings.from_dict(self.settings)

    @property
    def is_complete(self) -> bool:
        """Whether the run has ended by itself: all epochs are done, or there was no more gain."""
        train, progress = self.config, self.progress
        if progress.step >= train.epochs * self.steps_per_epoch:
            return True
        at_epoch_end = progress.step % self.steps_per_epoch == 0
        return at_epoch_end and progress.epochs_without_gain >= train.patience

    def content(self) -> dict[str, Any]:
        """As JSON, with the version of the format."""
        return {"format_version": FORMAT_VERSION} | dataclasses.asdict(self)

    @classmethod
    def of_content(cls, content: Any, where: str) -> "Metadata":
        """Reads what `content` made.

        Args:
            content: JSON, maybe of another version of the program.
            where: names the checkpoint, for messages.

        Raises:
            CheckpointError: it is of another format version, or malformed.
        """
        version = content.get("format_version") if isinstance(content, Mapping) else None
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{where}: format version {version}, this program reads {FORMAT_VERSION}; train "
                "again"
            )
        try:
            values = {name: value for name, value in content.items() if name != "format_version"}
            metadata = cls(**{**values, "progress": Progress(**values["progress"])})
            metadata._check()
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            raise CheckpointError(
                f"{where}: metadata of another version ({error}); train again"
            ) from None
        return metadata

    def _check(self) -> None:
        """Raises TypeError, ValueError or ConfigError where a value cannot be."""
        progress = self.progress
        counts = {
            "n_users": self.n_users,
            "n_items": self.n_items,
            "steps_per_epoch": self.steps_per_epoch,
            "batch_size": 1 if self.batch_size is None else self.batch_size,
            "step": progress.step,
            "best_step": progress.best_step,
            "epochs_without_gain": progress.epochs_without_gain,
        }
        for name, value in counts.items():
            lowest = int(name in ("n_users", "n_items", "steps_per_epoch", "batch_size"))
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise ValueError(f"{name} is {value!r}")
        if progress.best_step > progress.step:
            raise ValueError(f"best_step is {progress.best_step}, step is {progress.step}")
        sums = dict(progress.epoch_sums)
        scores = {} if progress.best_score is None else {"best_score": progress.best_score}
        for name, number in {**sums, **scores}.items():
            if isinstance(number, bool) or not math.isfinite(number):
                raise ValueError(f"{name} is {number!r}")
        for name in ("dataset", "fingerprint"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is no text")
        _ = self.config

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
