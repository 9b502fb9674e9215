"""The training loop of an expert: steps, validation, checkpoints, early stopping."""

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

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
from symcere_jax.settings import KEEP, SECONDS_BETWEEN_CHECKPOINTS, Settings
from symcere_jax.training import multiprocess
from symcere_jax.training.checkpoints import Checkpoints, Progress
from symcere_jax.training.devices import collect, distribute
from symcere_jax.training.observer import Observer, Reporter
from symcere_jax.training.run import Run, batch_size_of
from symcere_jax.training.step import TrainState
from symcere_jax.training.trained import as_arrays, embed, id_files
from symcere_jax.training.warm_start import warm_params

StopReason = Literal["patience", "epochs", "request"]


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a run ended; of several experts, the numbers of epochs are the largest.

    Attributes:
        stop: "patience": no more gain; "epochs": all done; "request": told to stop, can resume.
        epochs: epochs done.
        best_epoch: the epoch with the best parameters.
        best_score: the validation score; None without validation data.
        seconds: time of this call.
        weights: what the scores of each expert count, brought to equal spread; empty for one.
    """

    stop: StopReason
    epochs: int
    best_epoch: int
    best_score: float | None
    seconds: float
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)


def train_expert(
    settings: Settings,
    dataset: ReviewDataset,
    workdir: str | Path,
    *,
    resume: bool = True,
    warm_start: str | Path | None = None,
    keep_checkpoints: int = KEEP,
    checkpoint_seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
    observer: Observer | None = None,
    should_stop: ShouldStop = lambda: False,
) -> TrainResult:
    """Trains the single expert that the settings name, or resumes its run.

    Arguments, result and errors are those of `experts.train`.
    """
    started = last_save = time.monotonic()
    workdir = Path(workdir)
    multiprocess.check_equal(dataset.fingerprint, f"the content of {dataset.folder}")
    resolved = resolve(settings, dataset)
    checkpoints = Checkpoints(workdir)
    with contextlib.ExitStack() as stack:
        multiprocess.run_on_primary(lambda: stack.enter_context(claimed(workdir)))
        run = Run.build(resolved, dataset, batch_size_of(checkpoints, resolved))
        # The primary process first: it may have to delete damaged checkpoints.
        restored = multiprocess.run_on_primary_first(lambda: run.restore(checkpoints, resume))
        if restored is not None:
            progress, state, best = restored
        else:
            progress, state = Progress(), run.initial_state
            if warm_start is not None:
                params = warm_params(workdir=warm_start, settings=resolved, dataset=dataset,
                                     params=state.params)  # fmt: skip
                state = state.starting_from(params)
            best = state.kept
        reporter = Reporter(workdir, observer, started)
        resume_step = -1 if restored is None else progress.step
        multiprocess.run_on_primary(lambda: reporter.open(stack, run, progress, resume_step))

        if restored is None:
            progress, best = _validate(run, state, progress, best, {}, reporter, checkpoints)
        width = resolved.embedding_dim
        n_steps = resolved.epochs * run.steps_per_epoch
        shards = distribute(state, width)
        stop: StopReason = "epochs"
        while progress.step < n_steps:
            at_epoch_end = progress.step % run.steps_per_epoch == 0
            if at_epoch_end and progress.epochs_without_gain >= resolved.patience:
                stop = "patience"
                break
            if multiprocess.any_process(should_stop()):
                stop = "request"
                break
            shards, losses = run.run_steps(shards, run.train_inputs, np.uint32(resolved.seed))
            progress = _add_losses(run, progress, losses, reporter, checkpoints)
            if progress.step % run.steps_per_epoch == 0:
                state = collect(shards, width)
                means = {k: v / run.steps_per_epoch for k, v in progress.epoch_sums.items()}
                progress = dataclasses.replace(progress, epoch_sums={})
                progress, best = _validate(run, state, progress, best, means, reporter, checkpoints)
            if multiprocess.any_process(time.monotonic() - last_save > checkpoint_seconds):
                _save(run, collect(shards, width), best, progress, checkpoints, keep_checkpoints)
                last_save = time.monotonic()
        state = collect(shards, width)
        _save(run, state, best, progress, checkpoints, keep_checkpoints)
        return TrainResult(
            stop=stop,
            epochs=progress.step // run.steps_per_epoch,
            best_epoch=progress.best_step // run.steps_per_epoch,
            best_score=progress.best_score,
            seconds=time.monotonic() - started,
        )


@contextlib.contextmanager
def claimed(workdir: Path) -> Any:
    """Holds the lock of a workdir, which is made if it is not there."""
    check_output_folder(workdir, "workdir", RUN)
    workdir.mkdir(parents=True, exist_ok=True)
    with locked(workdir / LOCK, f"--workdir={workdir}", "choose another --workdir"):
        yield


def _add_losses(
    run: Run,
    progress: Progress,
    losses: dict[str, jax.Array],
    reporter: Reporter,
    checkpoints: Checkpoints,
) -> Progress:
    """Adds the losses of the steps just done; refuses losses that are not finite."""
    host = {name: np.asarray(values[0], np.float64) for name, values in losses.items()}
    step = progress.step + run.steps_per_call
    if not np.isfinite(host["loss"]).all():
        bad = progress.step + int(np.flatnonzero(~np.isfinite(host["loss"]))[0])
        raise _diverged(
            f"the loss is not finite from step {bad} on, seen at step {step}", checkpoints
        )
    sums = {
        name: progress.epoch_sums.get(name, 0.0) + float(values.sum())
        for name, values in host.items()
    }
    epoch = 1 + progress.step // run.steps_per_epoch
    reporter.steps(epoch, run.steps_per_call, float(host["loss"].mean()))
    return dataclasses.replace(progress, step=step, epoch_sums=sums)


def _validate(
    run: Run,
    state: TrainState,
    progress: Progress,
    best: Any,
    means: Mapping[str, float],
    reporter: Reporter,
    checkpoints: Checkpoints,
) -> tuple[Progress, Any]:
    """Scores the state on the validation split, and keeps its parameters if they are the best."""
    _check_finite(state, progress, checkpoints)
    dataset = run.dataset
    epoch = progress.step // run.steps_per_epoch
    record: dict[str, float] = {"epoch": epoch, "step": progress.step, **means}
    score = None
    if len(dataset.valid):
        embeddings = embed(run.model)(state.kept, run.model_inputs)
        metrics = evaluate(score_factors, embeddings.factors(), dataset, "valid", ks=(10,)).metrics
        score = multiprocess.broadcast_from_primary(metrics[PRIMARY_METRIC])
        record |= metrics
        record |= alignment_and_uniformity(
            np.asarray(embeddings.users), np.asarray(embeddings.items), dataset.train
        )
    is_best = score is None or progress.best_score is None or score > progress.best_score
    multiprocess.run_on_primary(lambda: reporter.epoch(record, is_best))
    if not is_best:
        n = progress.epochs_without_gain + 1
        return dataclasses.replace(progress, epochs_without_gain=n), best
    progress = dataclasses.replace(
        progress, best_score=score, best_step=progress.step, epochs_without_gain=0
    )
    return progress, state.kept


def _save(
    run: Run,
    state: TrainState,
    best: Any,
    progress: Progress,
    checkpoints: Checkpoints,
    keep: int,
) -> None:
    """Writes a checkpoint, with the embeddings of the best parameters."""
    _check_finite(state, progress, checkpoints)
    embeddings = embed(run.model)(best, run.model_inputs)
    parts = {"state": state, "best": best, "embeddings": as_arrays(embeddings)}
    metadata, ids = run.metadata(progress), id_files(run.dataset)
    multiprocess.run_on_primary(lambda: checkpoints.save(parts, metadata, ids=ids, keep=keep))


def _check_finite(state: TrainState, progress: Progress, checkpoints: Checkpoints) -> None:
    """Refuses to validate or to keep a state that is not finite; the loss shows it a step later."""
    leaves = jax.tree.leaves((state.params, state.opt_state, state.average))
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in leaves):
        raise _diverged(f"the parameters are not finite after step {progress.step}", checkpoints)


def _diverged(what: str, checkpoints: Checkpoints) -> SymcereError:
    kept = "there is no checkpoint yet"
    if checkpoints.numbers():
        step = checkpoints.metadata().progress.step
        kept = f"the last good checkpoint, of step {step}, is kept"
    return SymcereError(
        f"{what}; {kept}: train again in another --workdir with a lower --learning_rate and "
        "--embedding_learning_rate, or a higher --temperature"
    )
