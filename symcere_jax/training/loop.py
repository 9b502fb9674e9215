"""The training run: data, model, steps, validation, checkpoints, early stopping."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import CheckpointError, ConfigError, SymcereError
from symcere_jax.evaluation import PRIMARY_METRIC, alignment_and_uniformity, evaluate
from symcere_jax.locking import LOCK, locked
from symcere_jax.models import build_model, resolve, score_factors
from symcere_jax.settings import ResolvedSettings, Settings
from symcere_jax.training import processes
from symcere_jax.training.checkpoint import KEEP, Checkpoints, Metadata, Progress
from symcere_jax.training.devices import AXIS, collect, distribute, replicate
from symcere_jax.training.embeddings import embed
from symcere_jax.training.inputs import TrainInputs
from symcere_jax.training.metric_log import MetricLog
from symcere_jax.training.neighbors import FILE, NeighborChoice, can_count, choose_weight
from symcere_jax.training.objective import Objective
from symcere_jax.training.step import build_optimizer, build_steps, initial_state
from symcere_jax.training.warm_start import warm_params

SECONDS_BETWEEN_CHECKPOINTS = 60.0
Stop = Literal["patience", "epochs", "request"]


class Observer(Protocol):
    """Is told how the run goes on."""

    def start(self, epochs: int, steps_per_epoch: int, batch_size: int, progress: Progress) -> None:
        """The run starts, or goes on from a checkpoint."""

    def steps(self, epoch: int, steps: int, loss: float) -> None:
        """Some more steps of an epoch are done."""

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """An epoch is done and validated."""


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        stop: "patience": no more gain; "epochs": all done; "request": told to stop, can go on.
        epochs: epochs done.
        best_epoch: the epoch whose parameters are kept as the best.
        best_score: its validation score, with neighbours where they count, which the score of an
            epoch is without; None without validation data.
        neighbor_weight: how much they count, 0 if they do not.
        seconds: time of this call.
    """

    stop: Stop
    epochs: int
    best_epoch: int
    best_score: float | None
    neighbor_weight: float
    seconds: float


def train(
    config: Settings,
    dataset: ReviewDataset,
    workdir: str | Path,
    *,
    resume: bool = True,
    warm_start: str | Path | None = None,
    keep_checkpoints: int = KEEP,
    checkpoint_seconds: float | None = None,
    observer: Observer | None = None,
    should_stop: ShouldStop = lambda: False,
) -> TrainResult:
    """Trains a model, or goes on with the run of a workdir.

    Args:
        config: settings; those that depend on the data are resolved first.
        dataset: the prepared folder.
        workdir: gets checkpoints and logs.
        resume: go on from the workdir's latest checkpoint; else a workdir with one is refused.
        warm_start: workdir of an earlier run to start from, on the same data or on what it was
            before reviews were appended; without effect where a run is resumed.
        keep_checkpoints: how many of the latest checkpoints to keep, each with the best parameters
            that it speaks of; of two, one serves where the other is damaged.
        checkpoint_seconds: between two checkpoints; None: `SECONDS_BETWEEN_CHECKPOINTS`.
        observer: is told of the progress; in the first process only, where there are several.
        should_stop: asked between calls of the device; if true, a checkpoint is written and the run
            ends, to be resumed later.

    Raises:
        CheckpointError: the workdir holds a run of other settings or data, or `resume` is off and
            it holds any.
        BusyError: another process trains in the workdir.
        StorageError: the disk is full.
        ConfigError: settings and data or devices do not go together.
        SymcereError: the loss is not finite.
    """
    workdir = Path(workdir)
    config = resolve(config, dataset)
    with contextlib.ExitStack() as stack:

        def claim() -> None:
            workdir.mkdir(parents=True, exist_ok=True)
            what = f"--workdir={workdir}"
            stack.enter_context(locked(workdir / LOCK, what, "choose another --workdir"))

        processes.by_first(claim)
        run = _Run(config, dataset, workdir, keep_checkpoints)
        if checkpoint_seconds is not None:
            run.checkpoint_seconds = checkpoint_seconds
        # The first one may have to tidy up.
        progress = processes.first_then_others(lambda: run.restore(resume))
        if warm_start is not None and not run.resumed:
            run.warm_start(warm_start)
        step = progress.step if run.resumed else -1
        logs: list[MetricLog] = []
        processes.by_first(lambda: logs.append(stack.enter_context(MetricLog(workdir, step))))
        if not processes.is_first():
            observer = None
        return run.train(progress, logs[0] if logs else None, observer, should_stop)


def fit_batch_size(
    requested: int, micro_batch_size: int, n_interactions: int, n_devices: int
) -> tuple[int, int]:
    """Batch size and number of micro-batches of a run.

    A batch is at most the interactions there are, and micro-batches are equal, no larger than
    asked for (but one interaction a device at least), and a multiple of the devices.

    Args:
        requested: interactions a step.
        micro_batch_size: interactions whose losses are computed at once, at most.
        n_interactions: of the training split.
        n_devices: of all processes.

    Returns:
        Interactions a step, and the number of micro-batches that they make.

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


class _Run:
    """A run in memory: what stays the same, and the state on the devices."""

    def __init__(
        self, config: ResolvedSettings, dataset: ReviewDataset, workdir: Path, keep: int
    ) -> None:
        self.config, self.dataset, self.keep = config, dataset, keep
        self.checkpoint_seconds = SECONDS_BETWEEN_CHECKPOINTS
        self.workdir, self.checkpoints = workdir, Checkpoints(workdir)
        self.resumed = False
        inputs = TrainInputs.from_dataset(dataset, config)
        n_interactions = len(inputs.interactions)
        self.batch_size, n_micro_batches = fit_batch_size(
            self._wanted_batch_size(),
            config.micro_batch_size,
            n_interactions,
            jax.device_count(),
        )
        # Calls of equal length: one compilation.
        n_steps = math.ceil(n_interactions / self.batch_size)
        self.calls = math.ceil(n_steps / config.steps_per_call)
        self.steps_per_call = math.ceil(n_steps / self.calls)
        self.steps_per_epoch = self.calls * self.steps_per_call

        self.model = build_model(config, dataset.n_users, dataset.n_items)
        self.columns = self.model.shared(AXIS, jax.device_count()).held
        self.model_inputs = jax.device_put(inputs.model)
        objective = Objective(self.model, config)
        optimizer = build_optimizer(config, self.batch_size)
        self.state = initial_state(objective, optimizer, inputs, config)
        self.best_params = self.state.kept
        self.inputs = replicate(inputs)
        self.run_steps = build_steps(
            objective,
            optimizer,
            config,
            batch_size=self.batch_size,
            n_micro_batches=n_micro_batches,
            steps_per_epoch=self.steps_per_epoch,
            n_steps=self.steps_per_call,
        )

    def warm_start(self, workdir: str | Path) -> None:
        """Starts from the best parameters of an earlier run."""
        params = warm_params(workdir, self.config, self.dataset, self.state.params)
        average = None if self.state.average is None else jax.tree.map(jnp.copy, params)
        self.state = dataclasses.replace(self.state, params=params, average=average)
        self.best_params = self.state.kept

    def restore(self, resume: bool) -> Progress:
        """Takes up the latest checkpoint of the workdir, if it has one."""
        if not self.checkpoints.steps("latest"):
            workdir = self.checkpoints.folder.parent
            if self.checkpoints.steps("best") and any(workdir.glob("metrics_*.json")):
                raise CheckpointError(
                    f"{workdir} holds a model that was scored, without what training needs to go "
                    "on: choose another --workdir"
                )
            # The first save of an earlier run may have been cut off between the two kinds.
            self.checkpoints.clear()
            (self.workdir / FILE).unlink(missing_ok=True)
            return Progress()
        if not resume:
            raise CheckpointError(
                f"{self.checkpoints.folder.parent} holds a run already: go on with it by --resume, "
                "or choose another --workdir"
            )
        metadata, self.state, self.best_params = self.checkpoints.restore(
            self.state, self.best_params, self._check
        )
        self.resumed = True
        return metadata.progress

    def _check(self, metadata: Metadata) -> None:
        """Refuses a checkpoint of another run."""
        metadata.check_dataset(self.dataset)
        # A longer run, or more patience, goes on from where the shorter one ended. What is chosen
        # after training changes nothing in it, and how messages are passed none but the time.
        free = {"epochs", "patience", "item_neighbors", "propagation"}
        earlier = {**metadata.settings, **{name: self.config.as_dict()[name] for name in free}}
        if difference := self.config.difference(earlier):
            raise CheckpointError(
                f"{self.checkpoints.folder.parent} holds a run of other settings: {difference}; "
                "use its settings or another --workdir"
            )
        n_devices = jax.device_count()
        batch_size = metadata.batch_size or self.batch_size
        if (metadata.steps_per_epoch, batch_size) != (self.steps_per_epoch, self.batch_size):
            raise CheckpointError(
                f"{self.checkpoints.folder.parent} holds a run of {metadata.steps_per_epoch} steps "
                f"of {batch_size} interactions an epoch, but {n_devices} devices, which share a "
                f"batch evenly, would make it {self.steps_per_epoch} of {self.batch_size}: use as "
                f"many devices as before, or a number that divides {batch_size}, or another "
                "--workdir"
            )

    def _wanted_batch_size(self) -> int:
        """That of the run that the workdir holds, whatever its number of devices was; or as set."""
        if self.checkpoints.steps("latest"):
            with contextlib.suppress(CheckpointError):  # which is told when it is restored
                if found := self.checkpoints.metadata("latest").batch_size:
                    return found
        return self.config.batch_size

    def train(
        self,
        progress: Progress,
        log: MetricLog | None,
        observer: Observer | None,
        should_stop: ShouldStop,
    ) -> TrainResult:
        settings = self.config
        started = last_save = time.monotonic()

        def begin() -> None:
            if observer:
                observer.start(settings.epochs, self.steps_per_epoch, self.batch_size, progress)

        processes.by_first(begin)
        if not self.resumed:
            progress = self._validate(progress, {}, log, observer, started)
        state = distribute(self.state, self.columns)
        stop: Stop = "epochs"
        while progress.step < settings.epochs * self.steps_per_epoch:
            at_epoch_end = progress.step % self.steps_per_epoch == 0
            if at_epoch_end and progress.epochs_without_gain >= settings.patience:
                stop = "patience"
                break
            if processes.anywhere(should_stop()):
                stop = "request"
                break
            state, terms = self.run_steps(state, self.inputs, np.uint32(settings.seed))
            progress = self._add_terms(progress, terms, observer)
            if progress.step % self.steps_per_epoch == 0:
                self.state = collect(state, self.columns)
                means = {
                    name: total / self.steps_per_epoch
                    for name, total in progress.epoch_sums.items()
                }
                progress = dataclasses.replace(progress, epoch_sums={})
                progress = self._validate(progress, means, log, observer, started)
            if processes.anywhere(time.monotonic() - last_save > self.checkpoint_seconds):
                self.state = collect(state, self.columns)
                self._save(progress)
                last_save = time.monotonic()
        self.state = collect(state, self.columns)
        self._save(progress)
        score, weight = progress.best_score, 0.0
        if stop != "request" and can_count(self.dataset, self.config):
            choice = self._choose_neighbors(progress, should_stop)
            if choice is None:
                stop = "request"
            elif choice.weight:
                score, weight = choice.score, choice.weight
        elif stop != "request":  # it may be there from when they were asked for
            processes.by_first(lambda: (self.workdir / FILE).unlink(missing_ok=True))
        return TrainResult(
            stop=stop,
            epochs=progress.step // self.steps_per_epoch,
            best_epoch=progress.best_step // self.steps_per_epoch,
            best_score=score,
            neighbor_weight=weight,
            seconds=time.monotonic() - started,
        )

    def _add_terms(
        self, progress: Progress, terms: dict[str, jax.Array], observer: Observer | None
    ) -> Progress:
        """Adds the losses of the steps just done; refuses losses that are not finite."""
        host = {name: np.asarray(values[0], np.float64) for name, values in terms.items()}
        step = progress.step + self.steps_per_call
        if not np.isfinite(host["loss"]).all():
            bad = progress.step + int(np.flatnonzero(~np.isfinite(host["loss"]))[0])
            raise self._diverged(f"the loss is not finite from step {bad} on, seen at step {step}")
        sums = {
            name: progress.epoch_sums.get(name, 0.0) + float(values.sum())
            for name, values in host.items()
        }
        if observer:
            epoch = 1 + progress.step // self.steps_per_epoch
            observer.steps(epoch, self.steps_per_call, float(host["loss"].mean()))
        return dataclasses.replace(progress, step=step, epoch_sums=sums)

    def _validate(
        self,
        progress: Progress,
        means: Mapping[str, float],
        log: MetricLog | None,
        observer: Observer | None,
        started: float,
    ) -> Progress:
        """Scores the state on the validation split and keeps it if it is the best so far."""
        self._check_state(progress)
        record: dict[str, float] = {
            "epoch": progress.step // self.steps_per_epoch,
            "step": progress.step,
            **means,
        }
        score = None
        if len(self.dataset.valid):
            embeddings = embed(self.model)(self.state.kept, self.model_inputs)
            factors = embeddings.factors()
            metrics = evaluate(score_factors, factors, self.dataset, "valid", ks=(10,)).metrics
            score = processes.of_first(metrics[PRIMARY_METRIC])
            record |= metrics
            record |= alignment_and_uniformity(
                np.asarray(embeddings.users), np.asarray(embeddings.items), self.dataset.train
            )
        best = score is None or progress.best_score is None or score > progress.best_score
        if best:
            self.best_params = self.state.kept
            progress = dataclasses.replace(
                progress,
                best_score=score,
                best_step=progress.step,
                epochs_without_gain=0,
            )
        else:
            progress = dataclasses.replace(
                progress, epochs_without_gain=progress.epochs_without_gain + 1
            )

        def tell() -> None:
            if log is not None:
                log.write(record | {"seconds": time.monotonic() - started})
            if observer:
                observer.epoch(record, best)

        processes.by_first(tell)
        return progress

    def _choose_neighbors(
        self, progress: Progress, should_stop: ShouldStop
    ) -> NeighborChoice | None:
        """Decides how much neighbours count beside the best parameters; None: told to stop."""
        embeddings = embed(self.model)(self.best_params, self.model_inputs)
        choice = choose_weight(
            embeddings,
            self.model.temperature_of(self.best_params),
            self.dataset,
            self.config,
            lambda: processes.anywhere(should_stop()),
        )
        if choice is None:
            return None
        choice = NeighborChoice(*map(processes.of_first, dataclasses.astuple(choice)))
        processes.by_first(lambda: choice.write(self.workdir, progress.best_step))
        return choice

    def _check_state(self, progress: Progress) -> None:
        """Refuses to validate or to keep what is not finite: the loss shows it a step later."""
        leaves = jax.tree.leaves((self.state.params, self.state.opt_state, self.state.average))
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in leaves):
            raise self._diverged(f"the parameters are not finite after step {progress.step}")

    def _diverged(self, what: str) -> SymcereError:
        steps = self.checkpoints.steps("latest")
        kept = f"the last good checkpoint, of step {steps[-1]}, is kept" if steps else ""
        return SymcereError(
            f"{what}; {kept or 'there is no checkpoint yet'}: train again in another --workdir "
            "with a lower --learning_rate and --embedding_learning_rate, or a higher --temperature"
        )

    def _save(self, progress: Progress) -> None:
        self._check_state(progress)
        metadata = Metadata.of(
            self.config, self.dataset, self.steps_per_epoch, progress, self.batch_size
        )
        processes.by_first(
            lambda: self.checkpoints.save(self.state, self.best_params, metadata, keep=self.keep)
        )
