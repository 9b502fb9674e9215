"""A prepared run: what stays the same from its first step to its last."""

import contextlib
import dataclasses
import functools
import math
from pathlib import Path
from typing import Any

import jax
import optax

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import CheckpointError, ConfigError
from symcere_jax.models import ModelInputs, SymCERE
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.checkpoints import Checkpoints, Metadata, Progress
from symcere_jax.training.devices import collect, distribute, replicate
from symcere_jax.training.objective import Objective
from symcere_jax.training.step import TrainState, build_optimizer, build_steps, initial_state
from symcere_jax.training.train_inputs import TrainInputs

# Settings of a run that may change when it resumes: how long it lasts, how experts are put
# together, and how messages are passed, which changes rounding alone.
FREE_SETTINGS = ("epochs", "patience", "expert_weights", "propagation")

# Interactions of one call of the steps, about: between calls, a run can stop and save.
_MOST_INTERACTIONS = 2**18


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run needs besides its state."""

    settings: ResolvedSettings
    dataset: ReviewDataset
    model: SymCERE
    model_inputs: ModelInputs  # graph and text features, on the first device
    train_inputs: TrainInputs  # what the steps read, on every device
    initial_state: TrainState  # before the first step, on the first device
    run_steps: jax.stages.Wrapped  # `steps_per_call` train steps, see `build_steps`
    batch_size: int  # interactions per step, over all devices
    steps_per_epoch: int  # steps of an epoch, a multiple of `steps_per_call`
    steps_per_call: int  # steps between two returns to the host

    @classmethod
    def build(cls, settings: ResolvedSettings, dataset: ReviewDataset, batch_size: int) -> "Run":
        """Builds model, inputs and steps.

        Raises:
            ConfigError: there are more devices than interactions.
        """
        inputs = TrainInputs.from_dataset(dataset, settings)
        n_interactions = len(inputs.interactions)
        batch_size, n_micro_batches = fit_batch_size(
            batch_size, settings.micro_batch_size, n_interactions, jax.device_count()
        )
        n_steps = math.ceil(n_interactions / batch_size)
        longest = min(settings.steps_per_call, max(_MOST_INTERACTIONS // batch_size, 1))
        n_calls = math.ceil(n_steps / longest)
        steps_per_call = math.ceil(n_steps / n_calls)  # calls of equal length: one compilation
        objective, optimizer, run_steps = _programs(
            settings.replace(seed=0),
            (dataset.n_users, dataset.n_items),
            batch_size=batch_size,
            n_micro_batches=n_micro_batches,
            steps_per_epoch=n_calls * steps_per_call,
            n_steps=steps_per_call,
        )
        state = initial_state(objective, optimizer, inputs, settings)
        width = settings.embedding_dim
        return cls(
            settings=settings,
            dataset=dataset,
            model=objective.model,
            model_inputs=jax.device_put(inputs.model),
            train_inputs=replicate(inputs),
            # Placed as the states after it are, so that what reads them is compiled once.
            initial_state=collect(distribute(state, width), width),
            run_steps=run_steps,
            batch_size=batch_size,
            steps_per_epoch=n_calls * steps_per_call,
            steps_per_call=steps_per_call,
        )

    def metadata(self, progress: Progress) -> Metadata:
        """What a checkpoint says about the run."""
        return Metadata(
            settings=self.settings,
            dataset=self.dataset.name,
            fingerprint=self.dataset.fingerprint,
            n_users=self.dataset.n_users,
            n_items=self.dataset.n_items,
            batch_size=self.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            progress=progress,
        )

    def restore(self, checkpoints: Checkpoints) -> tuple[Progress, TrainState, Any] | None:
        """Progress, state and best parameters of the workdir's run; None if it has none.

        Raises:
            CheckpointError: the run has other settings or data.
        """
        workdir = checkpoints.folder.parent
        if not checkpoints.numbers():
            checkpoints.clear()
            return None
        metadata, parts = checkpoints.read(
            lambda metadata: self._parts_of(metadata, workdir), delete_damaged=True
        )
        return metadata.progress, parts["state"], parts["best"]

    def _parts_of(self, metadata: Metadata, workdir: Path) -> dict[str, Any]:
        """What a checkpoint of this run has; refuses one of another run."""
        metadata.check_dataset(self.dataset)
        mine = self.settings.as_dict()
        earlier = metadata.settings.as_dict() | {name: mine[name] for name in FREE_SETTINGS}
        if difference := self.settings.difference(earlier):
            raise CheckpointError(
                f"{workdir} holds a run with other settings: {difference}; use its settings or "
                "another --workdir"
            )
        if (metadata.steps_per_epoch, metadata.batch_size) != (
            self.steps_per_epoch,
            self.batch_size,
        ):
            raise CheckpointError(
                f"{workdir} holds a run of {metadata.steps_per_epoch} steps of "
                f"{metadata.batch_size} interactions per epoch, but {jax.device_count()} "
                f"devices, which share a batch evenly, would make it {self.steps_per_epoch} "
                f"of {self.batch_size}: use as many devices as before, a number that divides "
                f"{metadata.batch_size}, or another --workdir"
            )
        return {"state": self.initial_state, "best": self.initial_state.average}


@functools.lru_cache(maxsize=4)
def _programs(
    settings: ResolvedSettings, shape: tuple[int, int], *, batch_size: int, **sizes: Any
) -> tuple[Objective, optax.GradientTransformation, jax.stages.Wrapped]:
    """Objective, optimizer and steps, which runs that differ in their seeds alone share."""
    objective = Objective(SymCERE(*shape, settings))
    optimizer = build_optimizer(settings, batch_size)
    run_steps = build_steps(objective, optimizer, settings, batch_size=batch_size, **sizes)
    return objective, optimizer, run_steps


def batch_size_of(checkpoints: Checkpoints, settings: ResolvedSettings) -> int:
    """The batch size of the workdir's run, on any number of devices; else that of the settings."""
    if checkpoints.numbers():
        with contextlib.suppress(CheckpointError):  # which is raised when it is restored
            return checkpoints.metadata().batch_size
    return settings.batch_size


def fit_batch_size(
    requested: int, micro_batch_size: int, n_interactions: int, n_devices: int
) -> tuple[int, int]:
    """Batch size and number of micro-batches of a run.

    A batch has at most all interactions; micro-batches are equal, no larger than asked for (but at
    least one interaction a device), and a multiple of the devices.

    Args:
        requested: interactions per step.
        micro_batch_size: largest number of interactions whose losses are computed at once.
        n_interactions: of the training split.
        n_devices: of all processes.

    Returns:
        Interactions a step, and the number of micro-batches.

    Raises:
        ConfigError: there are more devices than interactions.
    """
    size = min(requested, n_interactions) // n_devices * n_devices
    if size == 0:
        raise ConfigError(
            f"--batch_size={requested} with {n_interactions} training interactions cannot be "
            f"shared by {n_devices} devices: raise --batch_size or use fewer devices"
        )
    largest = max(micro_batch_size // n_devices, 1) * n_devices
    n_micro_batches = math.ceil(size / largest)
    unit = n_devices * n_micro_batches
    return size // unit * unit, n_micro_batches
