"""Scores of a tuned baseline, over its seeds."""

import dataclasses
from pathlib import Path

import numpy as np

from symcere_jax.baselines.methods import METHODS
from symcere_jax.baselines.runs import BaselineRecord
from symcere_jax.evaluation import PRIMARY_METRIC, seed_std, standard_error


@dataclasses.dataclass(frozen=True)
class BaselineSummary:
    """How a baseline scores; scores are NDCG@10.

    Attributes:
        title: what tables call it.
        valid: score of the chosen settings, with seed 0.
        test: mean over seeds.
        seed_std: standard deviation over seeds; None for one seed.
        standard_error: of the mean over users, values averaged over seeds.
    """

    method: str
    title: str
    valid: float
    test: float
    seed_std: float | None
    standard_error: float
    n_seeds: int
    n_trials: int
    seconds: float


def summarize_baseline(record: BaselineRecord, workdir: Path) -> BaselineSummary:
    """Reads the per-user values of a baseline's seeds."""
    values = []
    for seed in record.test_seconds:
        path = workdir / record.method / f"seed_{seed}" / "per_user_test.npz"
        with np.load(path, allow_pickle=False) as arrays:
            values.append(arrays[PRIMARY_METRIC])
    means = [float(of_seed.mean()) for of_seed in values]
    return BaselineSummary(
        method=record.method,
        title=METHODS[record.method].title,
        valid=record.best.score,
        test=float(np.mean(means)),
        seed_std=seed_std(means),
        standard_error=standard_error(np.mean(values, axis=0)),
        n_seeds=len(means),
        n_trials=len(record.trials),
        seconds=sum(trial.seconds for trial in record.trials) + sum(record.test_seconds.values()),
    )
