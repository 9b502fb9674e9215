"""Tuning a baseline on the validation split, and scoring the choice on the test split.

    WORKDIR/<method>/settings.json          the chosen settings, and all trials
    WORKDIR/<method>/seed_<n>/              metrics_test.json, per_user_test.npz

Every result is written as soon as it exists: the same call resumes where an earlier one stopped.
"""

import dataclasses
import itertools
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.baselines.base import Baseline
from symcere_jax.baselines.methods import METHODS
from symcere_jax.callbacks import CountCallback
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError
from symcere_jax.evaluation import PRIMARY_METRIC, Evaluation, evaluate, seed_std, standard_error
from symcere_jax.evaluation.stored_scores import write_scores
from symcere_jax.files import write_json
from symcere_jax.locking import LOCK, locked

_RECORD = "settings.json"


@dataclasses.dataclass(frozen=True)
class BaselineTrial:
    """Settings that were tried, NDCG@10 on the validation split, seconds of fitting and scoring."""

    settings: dict[str, Any]
    score: float
    seconds: float


@dataclasses.dataclass
class BaselineRecord:
    """What is known of a baseline, as `settings.json` holds it."""

    method: str
    fingerprint: str  # of the data
    trials: list[BaselineTrial]
    test_seconds: dict[int, float]  # seed -> seconds of fitting and scoring the best settings

    @property
    def best(self) -> BaselineTrial:
        """The trial of the highest score, the first of them."""
        return max(self.trials, key=lambda trial: trial.score)

    @classmethod
    def read(cls, folder: Path, dataset: ReviewDataset) -> "BaselineRecord":
        """Reads the record of a method's folder; an empty one if there is none.

        Raises:
            ConfigError: it is of other data, or damaged.
        """
        path = folder / _RECORD
        if not path.exists():
            return cls(folder.name, dataset.fingerprint, [], {})
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            record = cls(
                method=content["method"],
                fingerprint=content["fingerprint"],
                trials=[BaselineTrial(**trial) for trial in content["trials"]],
                test_seconds={int(n): value for n, value in content["test_seconds"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path} is damaged ({error}); delete {folder}") from None
        if record.fingerprint != dataset.fingerprint:
            raise ConfigError(
                f"{folder} holds a baseline of other data than {dataset.folder}; "
                "give another --workdir"
            )
        return record

    def add(self, trial: BaselineTrial, folder: Path) -> None:
        """Adds a trial; where it is the new best, removes what the earlier one was tested with."""
        self.trials.append(trial)
        if self.best is trial:
            for seed in self.test_seconds:
                shutil.rmtree(folder / f"seed_{seed}", ignore_errors=True)
            self.test_seconds = {}

    def write(self, folder: Path) -> None:
        """Writes `settings.json`."""
        content = dataclasses.asdict(self)
        content |= {"chosen": self.best.settings, f"valid_{PRIMARY_METRIC}": self.best.score}
        write_json(folder / _RECORD, content)


@dataclasses.dataclass(frozen=True)
class BaselineSummary:
    """How a baseline scores, by NDCG@10."""

    method: str
    title: str
    valid: float  # of the chosen settings, with seed 0
    test: float  # mean over seeds
    seed_std: float | None  # None for one seed
    standard_error: float  # of the mean over users, whose values are averaged over seeds
    n_seeds: int
    n_trials: int
    seconds: float

    @classmethod
    def read(cls, record: BaselineRecord, workdir: Path) -> "BaselineSummary":
        """Summarizes the per-user values of a baseline's seeds."""
        values = []
        for seed in record.test_seconds:
            path = workdir / record.method / f"seed_{seed}" / "per_user_test.npz"
            with np.load(path, allow_pickle=False) as arrays:
                values.append(arrays[PRIMARY_METRIC])
        means = [float(of_seed.mean()) for of_seed in values]
        fits = [*(trial.seconds for trial in record.trials), *record.test_seconds.values()]
        return cls(
            method=record.method,
            title=METHODS[record.method].title,
            valid=record.best.score,
            test=float(np.mean(means)),
            seed_std=seed_std(means),
            standard_error=standard_error(np.mean(values, axis=0)),
            n_seeds=len(means),
            n_trials=len(record.trials),
            seconds=sum(fits),
        )


def sample_settings(method: type[Baseline], trials: int) -> list[dict[str, Any]]:
    """The settings to try: the defaults, then others of the method's space in a random order.

    They are distinct, fewer than `trials` where the space is smaller; more trials add to fewer.
    """
    defaults, space = dataclasses.asdict(method()), method.space
    combinations = list(itertools.product(*space.values()))
    order = np.random.default_rng(0).permutation(len(combinations))
    sampled = (defaults | dict(zip(space, combinations[place], strict=True)) for place in order)
    others = (settings for settings in sampled if settings != defaults)
    return [defaults, *itertools.islice(others, trials - 1)]


def run_baseline(
    name: str,
    dataset: ReviewDataset,
    workdir: Path,
    *,
    trials: int = 12,
    seeds: int = 5,
    progress: CountCallback = lambda done, total: None,
) -> BaselineRecord:
    """Tunes a baseline and tests it in the subfolder `name`, or resumes an earlier call.

    The best of so many trials is trained with seeds 0, 1, …, once if the method is not random.
    `progress` is called after each fit, also for those of an earlier call.

    Raises:
        BusyError: another process fits the method in the workdir.
        ConfigError: there is no such method, it cannot run here, or the folder holds a run on
            other data.
        DataError: the data lacks what the method needs.
    """
    if name not in METHODS:
        raise ConfigError(f"no baseline is called {name!r}; there are: {', '.join(METHODS)}")
    method, folder = METHODS[name], workdir / name
    tried = sample_settings(method, trials)
    n_seeds = seeds if method.random else 1
    total = len(tried) + n_seeds
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, f"{folder}", "choose another --workdir"):
        record = BaselineRecord.read(folder, dataset)
        for done, settings in enumerate(tried, start=1):
            if all(trial.settings != settings for trial in record.trials):
                evaluation, seconds = _fit(method(**settings), 0, dataset, "valid")
                score = evaluation.metrics[PRIMARY_METRIC]
                record.add(BaselineTrial(settings, score, seconds), folder)
                record.write(folder)
            progress(done, total)
        for seed in range(n_seeds):
            if seed not in record.test_seconds:
                chosen = method(**record.best.settings)
                evaluation, seconds = _fit(chosen, seed, dataset, "test")
                write_scores(evaluation, folder / f"seed_{seed}", "test", dataset, step=0)
                record.test_seconds[seed] = seconds
                record.write(folder)
            progress(len(tried) + seed + 1, total)
    return record


def _fit(
    method: Baseline, seed: int, dataset: ReviewDataset, split: str
) -> tuple[Evaluation, float]:
    """Fits and scores; also the seconds that took."""
    started = time.monotonic()
    scorer = method.fit(dataset, seed)
    evaluation = evaluate(scorer.score_block, scorer.params, dataset, split)
    return evaluation, time.monotonic() - started
