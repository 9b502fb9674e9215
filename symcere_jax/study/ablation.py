"""Ablations: the model, and variants of it that lack a part, over several seeds.

<workdir>/<variant>/seed_<n>/    a run each: logs, best checkpoint, scores on the test split
"""

import dataclasses
import json
import math
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError, SymcereError
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate, norm_popularity_correlation
from symcere_jax.evaluation.stored_scores import write_scores
from symcere_jax.files import write_json
from symcere_jax.models import resolve, score_factors
from symcere_jax.settings import Settings
from symcere_jax.study.processes import Job, ReportCallback, run_jobs
from symcere_jax.study.training import Epoch, train_job
from symcere_jax.training import checkpoint, load_model

RECORD = "run.json"  # written last: a run with it is complete
VALID_SCORE = f"valid_{PRIMARY_METRIC}"  # entry of the record
Variants = Mapping[str, Mapping[str, Any]]


class AblationObserver(Protocol):
    """Is told how the ablation goes on."""

    def start(self, total: int, done: int) -> None:
        """The ablation starts, or goes on with some runs done."""

    def epoch(self, run: Path, epoch: Epoch) -> None:
        """A run has done an epoch."""

    def run(self, run: Path) -> None:
        """A run is trained and scored."""


@dataclasses.dataclass(frozen=True)
class Ablation:
    """What was run.

    Attributes:
        variants: those that were run, the reference first; name -> settings that it changes.
        same: those that were not, as they come to the same model as another one; name -> that one.
        seeds: the seeds of each.
        complete: every run is done.
    """

    variants: Variants
    same: Mapping[str, str]
    seeds: tuple[int, ...]
    complete: bool


def read_variants(path: str | Path) -> Variants:
    """Reads variants from a JSON file: name -> {setting: value}, the reference first.

    Raises:
        ConfigError: the file is missing or malformed, or a setting is unknown or out of its limits.
    """
    try:
        variants = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(variants, dict) or len(variants) < 2:
        raise ConfigError(f'{path}: must hold {{"variant": {{"setting": value}}}}, at least two')
    for name, changes in variants.items():
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ConfigError(f"{path}: {name!r} names a folder: use letters, digits, _ . and -")
        if not isinstance(changes, dict):
            raise ConfigError(f"{path}: variant {name!r} must be {{setting: value}}")
        try:
            Settings(**changes)
        except ConfigError as error:
            raise ConfigError(f"{path}: variant {name!r}: {error}") from None
    return variants


def run_ablation(
    config: Settings,
    dataset: ReviewDataset,
    workdir: str | Path,
    variants: Variants,
    *,
    seeds: int,
    processes: int = 1,
    observer: AblationObserver | None = None,
    should_stop: ShouldStop = lambda: False,
) -> Ablation:
    """Trains every variant with every seed, and scores each run once on the test split.

    Runs that are complete are not repeated; those that were cut off go on from their checkpoints.

    Args:
        config: settings that all variants share. Those that follow from the data (0, "auto") are
            resolved for each variant by itself.
        dataset: the prepared folder.
        workdir: gets the runs.
        variants: name -> settings that it changes, the reference first.
        seeds: how many, counted from the seed of `config`.
        processes: runs that work at a time.
        observer: is told of the progress.
        should_stop: asked now and then; if true, running ones write a checkpoint and this returns.

    Raises:
        ConfigError: a variant is not possible, or the workdir holds runs of other settings or data.
        DataError: there is no validation or no test split.
        SymcereError: a run cannot be trained, or its process was killed.
    """
    for split in ("valid", "test"):
        if not len(dataset.interactions(split)):
            raise DataError(
                f"{dataset.folder / schema.pairs_file(split)} has no interactions; "
                f"prepare the data with a larger --{split}_share"
            )
    first = config.seed
    chosen, same = _distinct(config, dataset, variants)
    jobs = [
        Job(
            config.replace(**{**variants[name], "seed": seed}),
            dataset.folder,
            Path(workdir) / name / f"seed_{seed}",
        )
        for seed in range(first, first + seeds)  # a seed of all variants before the next seed
        for name in chosen
    ]
    waiting = [job for job in jobs if not _is_complete(job, dataset)]
    if observer:
        observer.start(len(jobs), len(jobs) - len(waiting))
    done = len(jobs) - len(waiting)
    for job in _score(waiting, processes, observer, should_stop):
        done += 1
        if observer:
            observer.run(job.workdir)
    return Ablation(
        variants={name: variants[name] for name in chosen},
        same=same,
        seeds=tuple(range(first, first + seeds)),
        complete=done == len(jobs),
    )


def score_job(job: Job, report: ReportCallback, should_stop: ShouldStop) -> bool:
    """Trains a run and scores it on the test split (see `processes.Work`).

    Returns:
        Whether it is complete, not stopped.
    """
    result = train_job(job, report, should_stop)
    if result.stop == "request":
        return False
    dataset = ReviewDataset.load(job.dataset)
    trained = load_model(job.workdir, dataset)
    metadata = trained.metadata
    evaluation = evaluate(score_factors, trained.embeddings().factors(), dataset, "test")
    write_scores(evaluation, job.workdir, "test", dataset, metadata.progress.best_step)
    item_counts = dataset.item_counts()
    correlation = norm_popularity_correlation(
        np.asarray(trained.nodes().fused[dataset.n_users :]), item_counts
    )
    record = {
        "settings": dict(metadata.settings),
        "fingerprint": dataset.fingerprint,
        VALID_SCORE: result.best_score,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "norm_popularity": None if math.isnan(correlation) else correlation,
    }
    write_json(job.workdir / RECORD, record)
    shutil.rmtree(job.workdir / checkpoint.FOLDER / "latest")  # only needed to go on
    return True


def _score(
    jobs: list[Job],
    processes: int,
    observer: AblationObserver | None,
    should_stop: ShouldStop,
) -> Iterator[Job]:
    """Works on jobs and yields those that are complete."""

    def show(job: Job, epoch: Epoch) -> bool:
        if observer:
            observer.epoch(job.workdir, epoch)
        return False

    for job, outcome in run_jobs(
        score_job, jobs, processes=processes, on_report=show, should_stop=should_stop
    ):
        if isinstance(outcome, SymcereError):
            raise outcome
        if outcome:
            yield job


def _distinct(
    config: Settings, dataset: ReviewDataset, variants: Variants
) -> tuple[list[str], dict[str, str]]:
    """Variants that are models of their own, and for the others the one they come to."""
    names: dict[Settings, str] = {}
    same: dict[str, str] = {}
    for name, changes in variants.items():
        try:
            resolved = resolve(config.replace(**changes), dataset)
        except (ConfigError, DataError) as error:
            raise ConfigError(f"variant {name!r}: {error}") from None
        if resolved in names:
            same[name] = names[resolved]
        else:
            names[resolved] = name
    return list(names.values()), same


def _is_complete(job: Job, dataset: ReviewDataset) -> bool:
    path = job.workdir / RECORD
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    difference = resolve(job.config, dataset).difference(record["settings"])
    if not dataset.was(record["fingerprint"]):
        difference = f"data {dataset.fingerprint} (was {record['fingerprint']})"
    if difference:
        raise ConfigError(
            f"{job.workdir} holds a run with other settings: {difference}; go on with those, or "
            "give another --workdir"
        )
    return True
