"""The training of a run: its experts one after another, then the weights of their scores.

    <workdir>/experts/<name>/    the run of each expert that is trained, with checkpoints and log
    <workdir>/checkpoints/       the embeddings of all side by side and the parameters of each, at
                                 the end: all that evaluating and recommending need

Each expert is trained by itself, until its validation score stops improving. That costs no more
than training all of them together, since message passing does not mix columns, and no expert trains
longer than it has to. A run of a single expert has its checkpoints in the workdir.
"""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Mapping
from pathlib import Path

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import CheckpointError, ConfigError
from symcere_jax.models import resolve
from symcere_jax.settings import (
    COUNTED,
    KEEP,
    SECONDS_BETWEEN_CHECKPOINTS,
    ResolvedSettings,
    Settings,
)
from symcere_jax.training import multiprocess
from symcere_jax.training.checkpoints import EXPERTS_FOLDER, Checkpoints
from symcere_jax.training.loop import Observer, TrainResult, claimed, train_expert
from symcere_jax.training.mixing import put_together


def train(
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
    """Trains a model, or resumes the run of a workdir.

    Args:
        settings: what is None there is chosen from the data.
        dataset: the prepared folder.
        workdir: gets checkpoints and logs.
        resume: resume from the workdir's newest checkpoints; else a workdir with one is refused.
        warm_start: workdir of an earlier run to start from, on the same data or on what it was
            before reviews were appended; without effect where a run is resumed.
        keep_checkpoints: how many checkpoints to keep: of two, one serves if the other is damaged.
        checkpoint_seconds: seconds between two checkpoints.
        observer: gets the progress, in the primary process.
        should_stop: asked between calls of the device; if true, a checkpoint is written and the run
            ends, to be resumed later.

    Raises:
        CheckpointError: the workdir holds a run with other settings or data, or `resume` is off
            and it holds any.
        BusyError: another process trains in the workdir.
        StorageError: the disk is full.
        ConfigError: settings and data or devices do not fit together.
        SymcereError: the loss is not finite.
    """
    started = time.monotonic()
    workdir = Path(workdir)
    resolved = resolve(settings, dataset)
    train_one = functools.partial(
        train_expert,
        dataset=dataset,
        keep_checkpoints=keep_checkpoints,
        checkpoint_seconds=checkpoint_seconds,
        observer=observer,
        should_stop=should_stop,
    )
    names = trained_experts(resolved)
    folders = [workdir, *(workdir / EXPERTS_FOLDER / name for name in names)]
    if any(Checkpoints(folder).numbers() for folder in folders):
        if not resume:
            raise CheckpointError(
                f"{workdir} already holds a run: resume it with --resume, or choose another "
                "--workdir"
            )
    elif warm_start is not None:
        _check_warm_start(Path(warm_start), resolved)
    if len(resolved.expert_names) == 1:
        return train_one(settings, workdir=workdir, warm_start=warm_start)
    results: dict[str, TrainResult] = {}
    with contextlib.ExitStack() as stack:
        multiprocess.run_on_primary(lambda: stack.enter_context(claimed(workdir)))
        _check_workdir(workdir, dataset)
        for name in names:
            earlier = None if warm_start is None else Path(warm_start) / EXPERTS_FOLDER / name
            results[name] = train_one(
                settings.replace(experts=name),
                workdir=workdir / EXPERTS_FOLDER / name,
                warm_start=earlier,
            )
            if results[name].stop == "request":
                return _joint_result(results, started)
        weights = put_together(resolved, dataset, workdir, names, should_stop)
    joint = _joint_result(results, started)
    if weights is None:
        return dataclasses.replace(joint, stop="request")
    score = Checkpoints(workdir).metadata().progress.best_score
    return dataclasses.replace(joint, weights=weights, best_score=score)


def trained_experts(settings: ResolvedSettings) -> list[str]:
    """The experts of a run that are trained."""
    return [name for name in settings.expert_names if name not in COUNTED]


def _check_warm_start(warm_start: Path, settings: ResolvedSettings) -> None:
    """Refuses an earlier run of one expert for a run of several, and the other way round."""
    checkpoints = Checkpoints(warm_start)
    is_apart = (warm_start / EXPERTS_FOLDER).is_dir()
    if not checkpoints.numbers() or is_apart == (len(settings.expert_names) > 1):
        return
    metadata = checkpoints.metadata()
    if metadata.experts and not is_apart:
        raise ConfigError(
            f"--warm_start={warm_start} lacks its folder {EXPERTS_FOLDER}: copy the whole run"
        )
    raise ConfigError(
        f"--warm_start={warm_start} is a run of --experts={metadata.settings.experts}, this one of "
        f"{settings.experts}: give the same --experts"
    )


def _check_workdir(workdir: Path, dataset: ReviewDataset) -> None:
    """Refuses a workdir that holds another run, which the runs of the experts cannot see."""
    checkpoints = Checkpoints(workdir)
    if checkpoints.numbers():
        metadata = checkpoints.metadata()
        metadata.check_dataset(dataset)
        if not metadata.experts:
            raise CheckpointError(
                f"{workdir} holds a run of --experts={metadata.settings.experts} alone; choose "
                "another --workdir"
            )


def _joint_result(results: Mapping[str, TrainResult], started: float) -> TrainResult:
    """How a run ended, from the ends of those of its experts."""
    ends = {result.stop for result in results.values()}
    return TrainResult(
        stop="request" if "request" in ends else "epochs" if "epochs" in ends else "patience",
        epochs=max(result.epochs for result in results.values()),
        best_epoch=max(result.best_epoch for result in results.values()),
        best_score=None,
        seconds=time.monotonic() - started,
    )
