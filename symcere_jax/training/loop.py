"""The training loop of an expert: steps, validation, checkpoints, early stopping."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import SymcereError
from symcere_jax.evaluation import PRIMARY_METRIC, alignment_and_uniformity, evaluate
from symcere_jax.folders import RUN, check_output_folder
from symcere_jax.locking import LOCK, locked
from symcere_jax.models import resolve, score_factors
from symcere_jax.settings import ResolvedSettings, Settings
from symcere_jax.training import multiprocess
from symcere_jax.training.checkpoints import Checkpoints, Progress
from symcere_jax.training.devices import collect, distribute
from symcere_jax.training.metric_log import MetricLog
from symcere_jax.training.run import Run, batch_size_of
from symcere_jax.training.step import TrainState
from symcere_jax.training.trained import as_arrays, embed, id_files
from symcere_jax.training.warm_start import warm_params

StopReason = Literal["patience", "epochs", "request"]


class Observer(Protocol):
    """Gets the progress of a run, in the primary process."""

    def start(
        self, settings: ResolvedSettings, steps_per_epoch: int, batch_size: int, progress: Progress
    ) -> None:
        """The run starts, or resumes from a checkpoint."""

    def steps(self, epoch: int, steps: int, loss: float) -> None:
        """Some more steps of an epoch are done."""

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """An epoch is done and validated."""


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a run ended; of several experts, the numbers of epochs are the largest."""

    # "patience": no more gain; "epochs": all done; "request": told to stop, can resume.
    stop: StopReason
    epochs: int
    best_epoch: int  # the epoch with the best parameters
    best_score: float | None  # the validation score; None without validation data
    seconds: float  # time of this call
    # What the scores of each expert count, brought to equal spread; empty for one.
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)


def train_expert(
    settings: Settings,
    dataset: ReviewDataset,
    workdir: Path,
    *,
    warm_start: str | Path | None,
    keep_checkpoints: int,
    checkpoint_seconds: float,
    observer: Observer | None,
    should_stop: ShouldStop,
) -> TrainResult:
    """Trains the single expert that the settings name, or resumes its run; see `experts.train`."""
    started = last_save = time.monotonic()
    multiprocess.check_equal(dataset.fingerprint, f"the content of {dataset.folder}")
    resolved = resolve(settings, dataset)
    checkpoints = Checkpoints(workdir)
    with contextlib.ExitStack() as stack:
        multiprocess.run_on_primary(lambda: stack.enter_context(claimed(workdir)))
        run = Run.build(resolved, dataset, batch_size_of(checkpoints, resolved))
        # The primary process first: it may have to delete damaged checkpoints.
        restored = multiprocess.run_on_primary_first(lambda: run.restore(checkpoints))
        if restored is not None:
            progress, state, best = restored
        else:
            progress, state = Progress(), run.initial_state
            if warm_start is not None:
                params = warm_params(warm_start, resolved, dataset, state.params)
                average = jax.tree.map(jnp.copy, params)
                state = dataclasses.replace(state, params=params, average=average)
            best = state.average
        training = _Training(run, checkpoints, progress, best, observer, keep_checkpoints, started)
        resume_step = -1 if restored is None else progress.step
        multiprocess.run_on_primary(lambda: training.open_log(stack, workdir, resume_step))

        if restored is None:
            training.validate(state)
        width = resolved.embedding_dim
        n_steps = resolved.epochs * run.steps_per_epoch
        shards = distribute(state, width)
        stop: StopReason = "epochs"
        while training.progress.step < n_steps:
            if training.is_at_epoch_end and (
                training.progress.epochs_without_gain >= resolved.patience
            ):
                stop = "patience"
                break
            if multiprocess.any_process(should_stop()):
                stop = "request"
                break
            shards, losses = run.run_steps(shards, run.train_inputs, np.uint32(resolved.seed))
            training.add_losses(losses)
            if training.is_at_epoch_end:
                training.validate(collect(shards, width))
            if multiprocess.any_process(time.monotonic() - last_save > checkpoint_seconds):
                training.save(collect(shards, width))
                last_save = time.monotonic()
        training.save(collect(shards, width))
        progress = training.progress
        return TrainResult(
            stop=stop,
            epochs=progress.step // run.steps_per_epoch,
            best_epoch=progress.best_step // run.steps_per_epoch,
            best_score=progress.best_score,
            seconds=time.monotonic() - started,
        )


@contextlib.contextmanager
def claimed(workdir: Path) -> Iterator[None]:
    """Holds the lock of a workdir, which is made if it is not there."""
    check_output_folder(workdir, "workdir", RUN)
    workdir.mkdir(parents=True, exist_ok=True)
    with locked(workdir / LOCK, f"--workdir={workdir}", "choose another --workdir"):
        yield


@dataclasses.dataclass
class _Training:
    """A run in progress: how far it has come, its best parameters, and its observer."""

    run: Run  # what stays the same
    checkpoints: Checkpoints
    progress: Progress
    best: Any
    observer: Observer | None
    keep: int  # how many checkpoints to keep
    started: float  # time at which this call started
    log: MetricLog | None = None  # of the workdir, in the primary process; None in others

    @property
    def is_at_epoch_end(self) -> bool:
        """Whether all steps of an epoch are done."""
        return self.progress.step % self.run.steps_per_epoch == 0

    def open_log(self, stack: contextlib.ExitStack, workdir: Path, resume_step: int) -> None:
        """Opens the log and tells the observer that the run starts; in the primary process."""
        self.log = stack.enter_context(MetricLog(workdir, resume_step))
        if self.observer:
            run = self.run
            self.observer.start(run.settings, run.steps_per_epoch, run.batch_size, self.progress)

    def add_losses(self, losses: dict[str, jax.Array]) -> None:
        """Adds the losses of the steps just done; refuses losses that are not finite."""
        host = {name: np.asarray(values[0], np.float64) for name, values in losses.items()}
        done, n_steps = self.progress.step, self.run.steps_per_call
        if not np.isfinite(host["loss"]).all():
            bad = done + int(np.flatnonzero(~np.isfinite(host["loss"]))[0])
            raise self._diverged(
                f"the loss is not finite from step {bad} on, seen at step {done + n_steps}"
            )
        sums = {
            name: self.progress.epoch_sums.get(name, 0.0) + float(values.sum())
            for name, values in host.items()
        }
        if self.log is not None and self.observer:
            epoch = 1 + done // self.run.steps_per_epoch
            self.observer.steps(epoch, n_steps, float(host["loss"].mean()))
        self.progress = dataclasses.replace(self.progress, step=done + n_steps, epoch_sums=sums)

    def validate(self, state: TrainState) -> None:
        """Scores the state on the validation split, and keeps its parameters if they are best."""
        self._check_finite(state)
        run, progress = self.run, self.progress
        n_steps = run.steps_per_epoch
        record: dict[str, float] = {"epoch": progress.step // n_steps, "step": progress.step}
        record |= {name: total / n_steps for name, total in progress.epoch_sums.items()}
        score = None
        if len(run.dataset.valid):
            embeddings = embed(run.model)(state.average, run.model_inputs)
            factors = embeddings.factors()
            metrics = evaluate(score_factors, factors, run.dataset, "valid", ks=(10,)).metrics
            score = multiprocess.broadcast_from_primary(metrics[PRIMARY_METRIC])
            record |= metrics
            record |= alignment_and_uniformity(
                np.asarray(embeddings.users), np.asarray(embeddings.items), run.dataset.train
            )
        is_best = score is None or progress.best_score is None or score > progress.best_score
        multiprocess.run_on_primary(lambda: self._report(record, is_best))
        n_without_gain = 0 if is_best else progress.epochs_without_gain + 1
        self.progress = dataclasses.replace(
            progress, epochs_without_gain=n_without_gain, epoch_sums={}
        )
        if is_best:
            self.best = state.average
            self.progress = dataclasses.replace(
                self.progress, best_score=score, best_step=progress.step
            )

    def save(self, state: TrainState) -> None:
        """Writes a checkpoint, with the embeddings of the best parameters."""
        self._check_finite(state)
        run = self.run
        embeddings = embed(run.model)(self.best, run.model_inputs)
        parts = {"state": state, "best": self.best, "embeddings": as_arrays(embeddings)}
        metadata, ids = run.metadata(self.progress), id_files(run.dataset)
        multiprocess.run_on_primary(
            lambda: self.checkpoints.save(parts, metadata, ids=ids, keep=self.keep)
        )

    def _report(self, record: Mapping[str, float], is_best: bool) -> None:
        assert self.log is not None
        self.log.write({**record, "seconds": time.monotonic() - self.started})
        if self.observer:
            self.observer.epoch(record, is_best)

    def _check_finite(self, state: TrainState) -> None:
        """Refuses a state that is not finite, which the loss would show a step later."""
        if not _all_finite((state.params, state.opt_state, state.average)):
            raise self._diverged(f"the parameters are not finite after step {self.progress.step}")

    def _diverged(self, what: str) -> SymcereError:
        kept = "there is no checkpoint yet"
        if self.checkpoints.numbers():
            step = self.checkpoints.metadata().progress.step
            kept = f"the last good checkpoint, of step {step}, is kept"
        return SymcereError(
            f"{what}; {kept}: train again in another --workdir with a lower --learning_rate and "
            "--embedding_learning_rate, or a higher --temperature"
        )


@jax.jit
def _all_finite(tree: Any) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
