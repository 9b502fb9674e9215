"""Evaluation: full ranking over the catalog, metrics per user, means over users, comparisons."""

from symcere_jax.evaluation.evaluate import CUTOFFS, Evaluation, evaluate, held_out_pairs
from symcere_jax.evaluation.geometry import alignment_and_uniformity, norm_popularity_correlation
from symcere_jax.evaluation.metrics import PRIMARY_METRIC, SHOWN_METRICS
from symcere_jax.evaluation.ranking import ScoreBlock, top_k
from symcere_jax.evaluation.significance import PairedTest, compare_paired, seed_std, standard_error

__all__ = [
    "CUTOFFS",
    "PRIMARY_METRIC",
    "SHOWN_METRICS",
    "Evaluation",
    "PairedTest",
    "ScoreBlock",
    "alignment_and_uniformity",
    "compare_paired",
    "evaluate",
    "held_out_pairs",
    "norm_popularity_correlation",
    "seed_std",
    "standard_error",
    "top_k",
]
