"""Popularity bias of runs: embedding norms, what is recommended, and accuracy by popularity."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.evaluation import (
    PRIMARY_METRIC,
    alignment_and_uniformity,
    held_out_pairs,
    norm_popularity_correlation,
    seed_std,
    standard_error,
)
from symcere_jax.evaluation.breakdown import Bucket, find_gains, ndcg_by_bucket, quantile_buckets
from symcere_jax.evaluation.stored_scores import ScoredRun, cutoff, read_runs
from symcere_jax.training import Checkpoints, load_model

N_DECILES = 10


@dataclasses.dataclass(frozen=True)
class Decile:
    """About a tenth of the catalog, by training interactions, and its shares of interactions."""

    low: int
    high: int
    n_items: int
    train_share: float
    held_out_share: float


@dataclasses.dataclass(frozen=True)
class RunBias:
    """How a run treats popularity; numbers are means over its seeds.

    What is measured on a checkpoint is None, or empty, for a run without one, such as a baseline.
    """

    name: str
    n_seeds: int
    normalize: bool | None  # whether embeddings are normalized
    ndcg: float  # NDCG@10
    seed_std: float | None  # of NDCG@10; None for one seed
    # Spearman's correlation of the norm of an item's embedding before normalization with its
    # training interactions; None where all norms are equal.
    norm_popularity: float | None
    # β, what a unit of log(1 + training interactions) adds to a score; None without a prior.
    popularity_weight: float | None
    beyond_accuracy: dict[str, float]  # "coverage@10", "gini@10", "popularity@10"
    geometry: dict[str, float]  # "alignment", "uniformity_users", "uniformity_items"
    norm_by_decile: list[float] | None  # mean norm of items over that of all items
    recommended_by_decile: list[float]  # share of the first 10 ranks that the items take
    ndcg_by_decile: list[float]  # NDCG@10 of the held-out items
    ndcg_error_by_decile: list[float]  # its standard error over users
    # float64 [n_items] of the first seed, for a plot.
    norms: np.ndarray | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True)
class PopularityBias:
    """The bias of runs on the same data and split."""

    dataset: str
    split: str
    n_users: int
    held_out_popularity: float  # mean training interactions of a held-out item, for a user first
    item_counts: np.ndarray  # int64 [n_items], training interactions of each item
    deciles: list[Decile]  # least popular first; items of equal popularity stay together
    runs: list[RunBias]


def measure_bias(
    folders: Sequence[Path], dataset: ReviewDataset, split: str = "test"
) -> PopularityBias:
    """Measures the popularity bias of scored runs, of folders as in `compare_runs`.

    Raises:
        ConfigError: a run is given twice.
        DataError: a run lacks a file, or was scored on other data, or nothing is held out.
        CheckpointError: a checkpoint is damaged or of another prepared folder.
    """
    held_out = held_out_pairs(dataset, split)
    runs = read_runs(folders, dataset, split, PRIMARY_METRIC)
    item_counts = dataset.item_counts()
    item_deciles = quantile_buckets(item_counts, N_DECILES)
    deciles, held_out_deciles = [], []
    for bucket in item_deciles:
        positions = np.flatnonzero(np.isin(held_out[:, 1], bucket.members))
        held_out_deciles.append(dataclasses.replace(bucket, members=positions))
        train_share = float(np.isin(dataset.train[:, 1], bucket.members).mean())
        sizes = len(bucket.members), train_share, len(positions) / len(held_out)
        deciles.append(Decile(bucket.low, bucket.high, *sizes))
    users, rows = np.unique(held_out[:, 0], return_inverse=True)
    sums = np.bincount(rows, weights=item_counts[held_out[:, 1]])
    return PopularityBias(
        dataset=dataset.name,
        split=split,
        n_users=len(users),
        held_out_popularity=float((sums / np.bincount(rows)).mean()),
        item_counts=item_counts,
        deciles=deciles,
        runs=[_run_bias(run, dataset, held_out, item_deciles, held_out_deciles) for run in runs],
    )


def _run_bias(
    run: ScoredRun,
    dataset: ReviewDataset,
    held_out: np.ndarray,
    item_deciles: list[Bucket],
    held_out_deciles: list[Bucket],
) -> RunBias:
    k = cutoff(PRIMARY_METRIC)
    users = np.unique(held_out[:, 0])
    gains = np.mean([find_gains(ranks, users, held_out, k) for ranks in run.recommended], axis=0)
    ndcg = ndcg_by_bucket(gains, held_out[:, 0], held_out_deciles, k)
    shown = run.recommended[run.recommended >= 0]
    times_shown = np.bincount(shown, minlength=dataset.n_items)
    trained = [folder for folder in run.folders if Checkpoints(folder).numbers()]
    models = [_measure_model(folder, dataset) for folder in trained]
    normalize, norms, norm_by_decile = None, None, None
    measures: dict[str, float | None] = {}
    if models:
        normalize, norms, names = models[0]
        relative = np.mean([each / each.mean() for _, each, _ in models], axis=0)
        norm_by_decile = [float(relative[bucket.members].mean()) for bucket in item_deciles]
        measures = {name: _mean([each[name] for *_, each in models]) for name in names}
    return RunBias(
        name=run.name,
        n_seeds=len(run.values),
        normalize=normalize,
        ndcg=float(run.values.mean()),
        seed_std=seed_std(run.values.mean(axis=1)),
        norm_popularity=measures.pop("norm_popularity", None),
        popularity_weight=measures.pop("popularity_weight", None),
        beyond_accuracy=run.beyond_accuracy,
        geometry={name: value for name, value in measures.items() if value is not None},
        norm_by_decile=norm_by_decile,
        recommended_by_decile=[
            float(times_shown[bucket.members].sum() / max(len(shown), 1)) for bucket in item_deciles
        ],
        ndcg_by_decile=[float(x.mean()) if len(x) else math.nan for x in ndcg],
        ndcg_error_by_decile=[standard_error(x) if len(x) > 1 else math.nan for x in ndcg],
        norms=norms,
    )


def _measure_model(
    folder: Path, dataset: ReviewDataset
) -> tuple[bool, np.ndarray, dict[str, float]]:
    """Of a checkpoint: whether it normalizes, norms of items, measures; NaN where undefined."""
    trained = load_model(folder, dataset)
    users, items = np.split(np.asarray(trained.main.nodes().fused), [dataset.n_users])
    has_prior = trained.metadata.settings.popularity_prior or trained.metadata.experts
    of_one_unit = trained.mixture.item_bias(np.array([math.e - 1]))[0]
    measures = {
        "norm_popularity": norm_popularity_correlation(items, dataset.item_counts()),
        "popularity_weight": float(of_one_unit) if has_prior else math.nan,
        **alignment_and_uniformity(users, items, dataset.train),
    }
    norms = np.linalg.norm(items.astype(np.float64), axis=1)
    return trained.metadata.settings.normalize, norms, measures


def _mean(values: Sequence[float]) -> float | None:
    """Mean of the numbers that are finite; None if there are none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else None
