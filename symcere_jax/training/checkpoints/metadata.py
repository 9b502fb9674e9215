"""What a checkpoint says about its run: settings, data set, progress."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import CheckpointError, ConfigError
from symcere_jax.settings import ResolvedSettings

FORMAT_VERSION = 3


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int = 0  # steps done
    # Best validation score so far; None before the first, or without validation data.
    best_score: float | None = None
    best_step: int = 0  # steps done when it was reached
    epochs_without_gain: int = 0  # epochs since
    # Each loss term, summed over the steps of an epoch that is not complete.
    epoch_sums: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Expert:
    """An expert of a run of several."""

    weight: float  # what its scores count, brought to the spread of the others
    users: float  # what its columns of the users are multiplied by
    items: float  # what its columns of the items are multiplied by
    # Of its own run, steps done when its best score was reached; 0 without training.
    best_step: int = 0
    # Its own best validation score; None without training or validation data.
    best_score: float | None = None
    settings: ResolvedSettings | None = None  # of its own run; None without training

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Expert":
        """Reads what `dataclasses.asdict` made."""
        settings = content.get("settings")
        return cls(**{**content, "settings": settings and ResolvedSettings.from_dict(settings)})


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a checkpoint says about its run."""

    settings: ResolvedSettings
    dataset: str
    fingerprint: str  # of the prepared folder
    n_users: int
    n_items: int
    batch_size: int  # interactions per step, over all devices
    steps_per_epoch: int  # follows from settings, data and devices
    progress: Progress
    # Of a run of several, by name; each that is trained has a run of its own.
    experts: Mapping[str, Expert] = dataclasses.field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether the run has ended by itself: all epochs are done, or there was no more gain."""
        settings, progress = self.settings, self.progress
        if progress.step >= settings.epochs * self.steps_per_epoch:
            return True
        at_epoch_end = progress.step % self.steps_per_epoch == 0
        return at_epoch_end and progress.epochs_without_gain >= settings.patience

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON, with the version of the format."""
        return {"format_version": FORMAT_VERSION} | dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], where: str) -> "Metadata":
        """Reads what `as_dict` made.

        Raises:
            CheckpointError: it is of another version.
        """
        version = content.get("format_version")
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{where}: format version {version}, this program reads {FORMAT_VERSION}; train "
                "again"
            )
        values = {name: value for name, value in content.items() if name != "format_version"}
        try:
            values["settings"] = ResolvedSettings.from_dict(values["settings"])
            values["progress"] = Progress(**values["progress"])
            experts = values["experts"].items()
            values["experts"] = {name: Expert.from_dict(expert) for name, expert in experts}
            return cls(**values)
        except (LookupError, TypeError, AttributeError, ConfigError) as error:
            raise CheckpointError(
                f"{where}: metadata of another version ({error}); train again"
            ) from None

    def check_dataset(self, dataset: ReviewDataset) -> None:
        """Refuses a prepared folder other than the one of the run.

        Raises:
            CheckpointError: the fingerprints differ.
        """
        if self.fingerprint != dataset.fingerprint:
            raise CheckpointError(
                f"the checkpoint was trained on {self.dataset!r} with {self.n_users} users and "
                f"{self.n_items} items (fingerprint {self.fingerprint}), but {dataset.folder} "
                f"holds {dataset.name!r} with {dataset.n_users} users and {dataset.n_items} items "
                f"(fingerprint {dataset.fingerprint}): give the folder that it was trained on, or "
                "train again"
            )
