"""Ablations: the model, and variants of it that lack a part, over several seeds.

<workdir>/<variant>/seed_<n>/    a run each: logs, best checkpoint, scores on the test split
"""

import dataclasses
import json
import math
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import PRIMARY_METRIC, held_out_pairs, norm_popularity_correlation
from symcere_jax.files import write_json
from symcere_jax.folders import ABLATION, check_output_folder
from symcere_jax.models import resolve
from symcere_jax.models.defaults import impossible_experts
from symcere_jax.settings import COUNTED, Settings
from symcere_jax.study.comparison import RunScores, compare_runs
from symcere_jax.study.scoring import score_run
from symcere_jax.study.workers import SILENT, Epoch, EpochReporter, RunsObserver, run_tasks
from symcere_jax.training import load_model, train
from symcere_jax.training.checkpoints import EXPERTS_FOLDER, Checkpoints
from symcere_jax.training.experts import trained_experts

RECORD = "run.json"  # written last: a run with it is complete
VALID_SCORE = f"valid_{PRIMARY_METRIC}"  # entry of the record
Variants = Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class VariantRun:
    """A run of an ablation."""

    settings: Settings
    dataset: Path
    workdir: Path

    @property
    def name(self) -> str:
        """The run as people read it, such as "no_text/seed_0"."""
        return f"{self.workdir.parent.name}/{self.workdir.name}"


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
            Settings.from_dict(changes)
        except ConfigError as error:
            raise ConfigError(f"{path}: variant {name!r}: {error}") from None
    return variants


def run_ablation(
    settings: Settings,
    dataset: ReviewDataset,
    workdir: str | Path,
    variants: Variants,
    *,
    seeds: int,
    processes: int = 1,
    observer: RunsObserver = SILENT,
    should_stop: ShouldStop = lambda: False,
) -> "AblationScores | None":
    """Trains every variant with every seed, and scores each run once on the test split.

    Complete runs are not repeated; others resume from their checkpoints. All variants share
    `settings`; None is resolved for each alone, and seeds are counted from theirs. A variant
    does without the experts it names that the data cannot have. Once `should_stop` is true, running
    ones write a checkpoint and this returns None.

    Raises:
        ConfigError: a variant is not possible, all are the same model, or the workdir holds runs of
            other settings or data.
        DataError: there is no validation or no test split.
        SymcereError: a run cannot be trained, or its process was killed.
    """
    held_out_pairs(dataset, "valid")
    held_out_pairs(dataset, "test")
    workdir = Path(workdir)
    check_output_folder(workdir, "workdir", ABLATION)
    chosen, not_run = _distinct(settings, dataset, variants)
    if len(chosen) < 2:
        raise ConfigError("all variants are the same model on this data")
    all_seeds = tuple(range(settings.seed, settings.seed + seeds))
    runs = [
        VariantRun(changed.replace(seed=seed), dataset.folder, workdir / name / f"seed_{seed}")
        for seed in all_seeds  # a seed of all variants before the next seed
        for name, changed in chosen.items()
    ]
    waiting = [run for run in runs if not _is_complete(run, dataset)]
    done = len(runs) - len(waiting)
    observer.start(len(runs), done)
    for name in run_tasks(
        run_variant, waiting, processes=processes, on_report=observer.epoch, should_stop=should_stop
    ):
        done += 1
        observer.end(f"{name} done")
    if done < len(runs):
        return None
    kept = {name: variants[name] for name in chosen}
    return read_scores(workdir, dataset, kept, all_seeds, not_run)


def run_variant(
    run: VariantRun, report: Callable[[Epoch], None], should_stop: ShouldStop
) -> str | None:
    """Trains a run, or resumes it, and scores it on the test split.

    Returns:
        Its name; None where it was told to stop.
    """
    dataset = ReviewDataset.load(run.dataset)
    _copy_experts(run, dataset)
    result = train(
        run.settings,
        dataset,
        run.workdir,
        keep_checkpoints=1,  # there are many runs
        observer=EpochReporter(run.name, report),
        should_stop=should_stop,
    )
    if result.stop == "request":
        return None
    score_run(run.workdir, dataset, "test")
    trained = load_model(run.workdir, dataset)
    items = np.asarray(trained.main.nodes().fused[dataset.n_users :])
    correlation = norm_popularity_correlation(items, dataset.item_counts())
    record = {
        "settings": trained.metadata.settings.as_dict(),
        "fingerprint": dataset.fingerprint,
        VALID_SCORE: result.best_score,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "norm_popularity": None if math.isnan(correlation) else correlation,
    }
    write_json(run.workdir / RECORD, record)
    return run.name


def _copy_experts(run: VariantRun, dataset: ReviewDataset) -> None:
    """Copies experts that complete runs of the same seed have trained with the same settings."""
    settings = resolve(run.settings, dataset)
    if len(settings.expert_names) == 1:  # such a run has no folders of experts
        return
    together = {"expert_weights": settings.expert_weights}
    records = list(run.workdir.parents[1].glob(f"*/{run.workdir.name}/{RECORD}"))
    for name in trained_experts(settings):
        wanted = resolve(run.settings.replace(experts=name), dataset)
        target = run.workdir / EXPERTS_FOLDER / name
        for folder in (record.parent / EXPERTS_FOLDER / name for record in records):
            if target.exists() or not (checkpoints := Checkpoints(folder)).numbers():
                continue
            if not wanted.difference(checkpoints.metadata().settings.as_dict() | together):
                partial = target.with_name(f"{name}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                shutil.copytree(folder, partial)
                partial.rename(target)


@dataclasses.dataclass(frozen=True)
class VariantScores(RunScores):
    """How a variant scores on the test split, and against the reference."""

    changes: Mapping[str, Any]
    seed_means: tuple[float, ...]
    norm_popularity: float | None  # as in `RunBias`
    valid_mean: float  # of the metric on the validation split, over users and seeds


@dataclasses.dataclass(frozen=True)
class AblationScores:
    """The scores of an ablation, the reference first."""

    dataset: str
    metric: str
    n_users: int
    seeds: tuple[int, ...]
    variants: tuple[VariantScores, ...]
    not_run: Mapping[str, str]  # name of another variant -> why


def read_scores(
    workdir: Path,
    dataset: ReviewDataset,
    variants: Variants,
    seeds: Sequence[int],
    not_run: Mapping[str, str],
) -> AblationScores:
    """Collects the scores of complete runs.

    Raises:
        DataError: a run lacks a file, or was scored on other data.
    """
    folders = [workdir / name for name in variants]
    comparison = compare_runs(folders, dataset, "test", PRIMARY_METRIC, seeds=seeds)
    scored = []
    for folder, scores in zip(folders, comparison.runs, strict=True):
        seed_folders = [folder / f"seed_{seed}" for seed in seeds]
        records = [json.loads((seed / RECORD).read_text()) for seed in seed_folders]
        metrics = [json.loads((seed / "metrics_test.json").read_text()) for seed in seed_folders]
        correlations = [record["norm_popularity"] for record in records]
        scored.append(
            VariantScores(
                **vars(scores),
                changes=variants[scores.name],
                seed_means=tuple(of_seed[PRIMARY_METRIC] for of_seed in metrics),
                norm_popularity=None if None in correlations else float(np.mean(correlations)),
                valid_mean=float(np.mean([record[VALID_SCORE] for record in records])),
            )
        )
    return AblationScores(
        dataset=dataset.name,
        metric=PRIMARY_METRIC,
        n_users=comparison.n_users,
        seeds=tuple(seeds),
        variants=tuple(scored),
        not_run=not_run,
    )


def _distinct(
    settings: Settings, dataset: ReviewDataset, variants: Variants
) -> tuple[dict[str, Settings], dict[str, str]]:
    """The settings of variants that are models of their own, and why the others are not run."""
    names: dict[Settings, str] = {}
    chosen: dict[str, Settings] = {}
    not_run: dict[str, str] = {}
    for name, changes in variants.items():
        changed = settings.replace(**changes)
        try:
            if changes.get("experts"):
                impossible = impossible_experts(changed, dataset)
                missing = [each for each in changed.expert_names if each in impossible]
                left = [each for each in changed.expert_names if each not in impossible]
                if missing and set(left) <= set(COUNTED):
                    not_run[name] = f"{missing[0]} {impossible[missing[0]]}"
                    continue
                changed = changed.replace(experts=",".join(left))
            resolved = resolve(changed, dataset)
        except (ConfigError, DataError) as error:
            raise ConfigError(f"variant {name!r}: {error}") from None
        if resolved in names:
            not_run[name] = f"the same as {names[resolved]} here"
        else:
            names[resolved], chosen[name] = name, changed
    return chosen, not_run


def _is_complete(run: VariantRun, dataset: ReviewDataset) -> bool:
    path = run.workdir / RECORD
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    difference = resolve(run.settings, dataset).difference(record["settings"])
    if record["fingerprint"] != dataset.fingerprint:
        difference = f"data {dataset.fingerprint} (was {record['fingerprint']})"
    if difference:
        raise ConfigError(
            f"{run.workdir} holds a run with other settings: {difference}; resume with those, or "
            "give another --workdir"
        )
    return True
