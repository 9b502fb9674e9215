"""Tuning a baseline on the validation split, scoring the choice on the test split once a seed.

    WORKDIR/<method>/settings.json          the chosen settings, and all trials
    WORKDIR/<method>/seed_<n>/              metrics_test.json, per_user_test.npz

Every result is written as soon as it is there: the same call goes on where an earlier one stopped.
"""

import dataclasses
import itertools
import json
import math
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.baselines.methods import METHODS, Method
from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError
from symcere_jax.evaluation import PRIMARY_METRIC, Evaluation, HeldOutSplit, evaluate
from symcere_jax.evaluation.stored_scores import write_scores
from symcere_jax.files import write_json
from symcere_jax.locking import LOCK, locked

_RECORD = "settings.json"


@dataclasses.dataclass(frozen=True)
class BaselineTrial:
    """Settings that were tried.

    Attributes:
        settings: name -> value.
        score: NDCG@10 on the validation split.
        seconds: of fitting and scoring.
    """

    settings: dict[str, Any]
    score: float
    seconds: float


@dataclasses.dataclass
class Record:
    """What is known of a baseline, as `settings.json` holds it.

    Attributes:
        method: its name.
        fingerprint: of the data.
        trials: in the order they were made.
        test_seconds: seed -> seconds of fitting and scoring with the best settings.
    """

    method: str
    fingerprint: str
    trials: list[BaselineTrial]
    test_seconds: dict[int, float]

    @property
    def best(self) -> BaselineTrial:
        """The trial of the highest score, the first of them."""
        return max(self.trials, key=lambda trial: trial.score)

    @classmethod
    def read(cls, folder: Path, method: str, dataset: ReviewDataset) -> "Record":
        """Reads the record of a method's folder; an empty one if there is none.

        Raises:
            ConfigError: it is of other data, or damaged.
        """
        path = folder / _RECORD
        if not path.exists():
            return cls(method, dataset.fingerprint, [], {})
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            record = cls(
                method=content["method"],
                fingerprint=content["fingerprint"],
                trials=[BaselineTrial(**trial) for trial in content["trials"]],
                test_seconds={int(n): value for n, value in content["test_seconds"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} is damaged ({error}); delete {folder} to begin anew"
            ) from None
        if record.fingerprint != dataset.fingerprint:
            raise ConfigError(
                f"{folder} holds a baseline of other data than {dataset.folder}; "
                "give another --workdir"
            )
        return record

    def write(self, folder: Path) -> None:
        """Writes `settings.json`."""
        content = dataclasses.asdict(self)
        content |= {"chosen": self.best.settings, f"valid_{PRIMARY_METRIC}": self.best.score}
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _RECORD, content)


def sample_settings(method: Method, budget: int, seed: int = 0) -> list[dict[str, Any]]:
    """The settings to try: the defaults, then others of the method's space at random.

    Args:
        method: whose space it is.
        budget: how many at most; a larger one adds to those of a smaller one.
        seed: of the order.

    Returns:
        Distinct settings, name -> value, fewer than `budget` where the space is smaller.
    """
    defaults = dataclasses.asdict(method.settings())
    space = method.settings.SPACE
    order = np.random.default_rng(seed).permutation(math.prod(map(len, space.values())))
    shape = tuple(map(len, space.values()))
    sampled = (
        defaults
        | {
            name: values[place]
            for (name, values), place in zip(
                space.items(), np.unravel_index(number, shape), strict=True
            )
        }
        for number in order
    )
    others = (settings for settings in sampled if settings != defaults)
    return [defaults, *itertools.islice(others, budget - 1)]


def run_baseline(
    name: str,
    dataset: ReviewDataset,
    workdir: Path,
    *,
    budget: int = 12,
    seeds: int = 5,
    progress: MessageCallback = lambda words: None,
) -> Record:
    """Tunes a baseline and tests it, or goes on with that.

    Args:
        name: of the method, a key of `METHODS`.
        dataset: the prepared folder.
        workdir: its subfolder `name` gets the files.
        budget: settings to try.
        seeds: trainings to test, with seeds 0, 1, …; one for a method without randomness.
        progress: told of what is done, what was there before included.

    Raises:
        BusyError: another process fits the method in the workdir.
        ConfigError: there is no such method, it cannot run here, or the folder holds a run on
            other data.
        DataError: the data lacks what the method needs.
    """
    method, folder = _method(name), workdir / name
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, f"{folder}", "choose another --workdir"):
        return _run(method, dataset, folder, budget, seeds, progress)


def _run(
    method: Method,
    dataset: ReviewDataset,
    folder: Path,
    budget: int,
    seeds: int,
    progress: MessageCallback,
) -> Record:
    record = Record.read(folder, folder.name, dataset)
    for settings in sample_settings(method, budget):
        if all(trial.settings != settings for trial in record.trials):
            evaluation, seconds = _fit(method, settings, 0, dataset, "valid")
            chosen = record.best.settings if record.trials else None
            record.trials.append(
                BaselineTrial(settings, evaluation.metrics[PRIMARY_METRIC], seconds)
            )
            if record.best.settings != chosen:  # what was tested is no longer what is chosen
                record.test_seconds = {}
                for earlier in folder.glob("seed_*"):
                    shutil.rmtree(earlier)
            record.write(folder)
        progress(f"{method.title}: best valid {PRIMARY_METRIC} {record.best.score:.4f}")
    for seed in range(seeds if method.random else 1):
        if seed not in record.test_seconds:
            evaluation, seconds = _fit(method, record.best.settings, seed, dataset, "test")
            seed_folder = folder / f"seed_{seed}"
            seed_folder.mkdir(parents=True, exist_ok=True)
            write_scores(evaluation, seed_folder, "test", dataset, step=0)
            record.test_seconds[seed] = seconds
            record.write(folder)
        progress(f"{method.title}: seed {seed} tested")
    return record


def count_steps(name: str, budget: int, seeds: int) -> int:
    """How often `run_baseline` reports progress."""
    method = _method(name)
    return len(sample_settings(method, budget)) + (seeds if method.random else 1)


def _method(name: str) -> Method:
    if name not in METHODS:
        raise ConfigError(f"no baseline is called {name!r}; there are: {', '.join(METHODS)}")
    return METHODS[name]


def _fit(
    method: Method,
    settings: dict[str, Any],
    seed: int,
    dataset: ReviewDataset,
    split: HeldOutSplit,
) -> tuple[Evaluation, float]:
    """Fits and scores; also the seconds that took."""
    started = time.monotonic()
    scorer = method.fit(dataset, method.settings(**settings), seed)
    evaluation = evaluate(scorer.score_block, scorer.params, dataset, split)
    return evaluation, time.monotonic() - started
