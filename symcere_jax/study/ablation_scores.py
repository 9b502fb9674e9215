"""Scores of an ablation: each variant by itself, and against the reference."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC
from symcere_jax.study.ablation import RECORD, VALID_SCORE, Ablation
from symcere_jax.study.comparison import RunScores, compare_runs


@dataclasses.dataclass(frozen=True)
class VariantScores(RunScores):
    """How a variant scores on the test split, and against the reference.

    Attributes:
        seed_means: the metric of each seed.
        norm_popularity: Spearman's correlation of the norm of an item's embedding, before
            normalization, with its training interactions, averaged over seeds; None where all norms
            are equal.
        valid_mean: of the metric on the validation split, over users and seeds.
    """

    changes: Mapping[str, Any]
    seed_means: tuple[float, ...]
    norm_popularity: float | None
    valid_mean: float


@dataclasses.dataclass(frozen=True)
class AblationScores:
    """An ablation on a data set.

    Attributes:
        n_users: with a test interaction.
        variants: the reference first.
        same: variants that were not run -> the variant that each is equal to.
    """

    dataset: str
    metric: str
    n_users: int
    seeds: tuple[int, ...]
    variants: tuple[VariantScores, ...]
    same: Mapping[str, str]


def score_ablation(ablation: Ablation, dataset: ReviewDataset, workdir: Path) -> AblationScores:
    """Collects the scores of a complete ablation.

    Raises:
        DataError: a run lacks a file, or was scored on other data.
    """
    folders = [workdir / name for name in ablation.variants]
    comparison = compare_runs(folders, dataset, "test", PRIMARY_METRIC, seeds=ablation.seeds)
    variants = []
    for folder, scores in zip(folders, comparison.runs, strict=True):
        seed_folders = [folder / f"seed_{seed}" for seed in ablation.seeds]
        records = [json.loads((seed / RECORD).read_text()) for seed in seed_folders]
        metrics = [json.loads((seed / "metrics_test.json").read_text()) for seed in seed_folders]
        correlations = [record["norm_popularity"] for record in records]
        variants.append(
            VariantScores(
                **vars(scores),
                changes=ablation.variants[scores.name],
                seed_means=tuple(of_seed[PRIMARY_METRIC] for of_seed in metrics),
                norm_popularity=None if None in correlations else float(np.mean(correlations)),
                valid_mean=float(np.mean([record[VALID_SCORE] for record in records])),
            )
        )
    return AblationScores(
        dataset=dataset.name,
        metric=PRIMARY_METRIC,
        n_users=comparison.n_users,
        seeds=ablation.seeds,
        variants=tuple(variants),
        same=ablation.same,
    )
