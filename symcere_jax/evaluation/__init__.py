"""Evaluation: full ranking over the catalog, metrics per user, means over users, comparisons."""

from symcere_jax.evaluation.breakdown import (
    Bucket,
    find_gains,
    ndcg_by_bucket,
    quantile_buckets,
    recall_by_bucket,
)
from symcere_jax.evaluation.evaluate import CUTOFFS, Evaluation, evaluate, held_out_pairs
from symcere_jax.evaluation.geometry import alignment_and_uniformity, norm_popularity_correlation
from symcere_jax.evaluation.metrics import PRIMARY_METRIC, SHOWN_METRICS
from symcere_jax.evaluation.ranking import ScoreBlock, top_k
from symcere_jax.evaluation.significance import PairedTest, compare_paired, seed_std, standard_error

__all__ = [
    "CUTOFFS",
    "PRIMARY_METRIC",
    "SHOWN_METRICS",
    "Bucket",
    "Evaluation",
    "PairedTest",
    "ScoreBlock",
    "alignment_and_uniformity",
    "compare_paired",
    "evaluate",
    "find_gains",
    "held_out_pairs",
    "ndcg_by_bucket",
    "norm_popularity_correlation",
    "quantile_buckets",
    "recall_by_bucket",
    "seed_std",
    "standard_error",
    "top_k",
]
