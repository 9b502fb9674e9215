"""Compares runs on one data set: scores, paired tests, popularity, metrics by bucket."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import (
    PRIMARY_METRIC,
    PairedTest,
    compare_paired,
    seed_std,
    standard_error,
)
from symcere_jax.evaluation.breakdown import Bucket, find_gains, quantile_buckets, recall_by_bucket
from symcere_jax.evaluation.stored_scores import cutoff, read_runs

N_BUCKETS = 5


@dataclasses.dataclass(frozen=True)
class BucketScore:
    """A metric, seeds averaged, over users or items of `low` to `high` training interactions."""

    low: int
    high: int
    n_users: int
    mean: float
    standard_error: float


@dataclasses.dataclass(frozen=True)
class RunScores:
    """How a run scores, by itself and against the reference."""

    name: str
    n_seeds: int
    mean: float  # of the metric
    standard_error: float  # of the mean, over users
    seed_std: float | None  # of the mean, over seeds; None for one seed
    beyond_accuracy: dict[str, float]  # "coverage@k", "gini@k", "popularity@k", mean over seeds
    test: PairedTest | None  # against the reference; None for the reference itself
    by_item_popularity: list[BucketScore]  # recall@k of held-out items
    by_user_history: list[BucketScore]  # the metric


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Runs on the same data, split and users."""

    dataset: str
    fingerprint: str
    split: str
    metric: str  # "metric@k"
    k: int
    n_users: int
    reference: str  # name of the run that the others are compared with
    runs: list[RunScores]


def compare_runs(
    folders: Sequence[Path],
    dataset: ReviewDataset,
    split: str = "test",
    metric: str = PRIMARY_METRIC,
    *,
    reference: str = "first",
    seeds: Sequence[int] | None = None,
) -> Comparison:
    """Compares runs, user by user, with the "first" one, or the "best", of the largest mean.

    A folder has the files of `write_scores`, or a subfolder seed_* for each of several trainings,
    whose values are averaged for each user; `seeds` chooses some of them.

    Raises:
        ConfigError: there are fewer than two runs, one is given twice, or `metric` is malformed.
        DataError: a run lacks a file or the metric, or was scored on other data or users.
    """
    if len(folders) < 2:
        raise ConfigError("a comparison needs at least two runs: --runs=FOLDER,FOLDER")
    held_out = dataset.interactions(split)
    users = np.unique(held_out[:, 0])
    if len(users) < 2:
        raise DataError(
            f"{dataset.folder / schema.pairs_file(split)} has {len(users)} users, a comparison "
            "needs at least 2"
        )
    runs = read_runs(folders, dataset, split, metric, seeds)
    values = np.stack([run.values.mean(axis=0) for run in runs])
    reference_row = 0 if reference == "first" else int(values.mean(axis=1).argmax())
    others = [row for row in range(len(runs)) if row != reference_row]
    tests: list[PairedTest | None] = [*compare_paired(values[others], values[reference_row])]
    tests.insert(reference_row, None)
    item_buckets = quantile_buckets(dataset.item_counts()[held_out[:, 1]], N_BUCKETS)
    user_buckets = quantile_buckets(dataset.user_counts()[users], N_BUCKETS)
    scores = []
    for run, per_user, test in zip(runs, values, tests, strict=True):
        hits = [find_gains(ranks, users, held_out, cutoff(metric)) > 0 for ranks in run.recommended]
        recalls = recall_by_bucket(np.mean(hits, axis=0), held_out[:, 0], item_buckets)
        by_history = [per_user[bucket.members] for bucket in user_buckets]
        scores.append(
            RunScores(
                name=run.name,
                n_seeds=len(run.values),
                mean=float(per_user.mean()),
                standard_error=standard_error(per_user),
                seed_std=seed_std(run.values.mean(axis=1)),
                beyond_accuracy=run.beyond_accuracy,
                test=test,
                by_item_popularity=_bucket_scores(item_buckets, recalls),
                by_user_history=_bucket_scores(user_buckets, by_history),
            )
        )
    return Comparison(
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        split=split,
        metric=metric,
        k=cutoff(metric),
        n_users=len(users),
        reference=runs[reference_row].name,
        runs=scores,
    )


def _bucket_scores(buckets: list[Bucket], values: list[np.ndarray]) -> list[BucketScore]:
    return [
        BucketScore(
            bucket.low, bucket.high, len(per_user), float(per_user.mean()), standard_error(per_user)
        )
        for bucket, per_user in zip(buckets, values, strict=True)
    ]
