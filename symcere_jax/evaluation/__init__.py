"""Evaluation: full ranking over the catalogue, metrics per user, means over users."""

from symcere_jax.evaluation.evaluate import Evaluation, HeldOutSplit, evaluate
from symcere_jax.evaluation.metrics import (
    catalog_metrics,
    find_hits,
    popularity_metrics,
    ranking_metrics,
)
from symcere_jax.evaluation.ranking import ScoreBlock, top_k

__all__ = [
    "Evaluation",
    "HeldOutSplit",
    "ScoreBlock",
    "catalog_metrics",
    "evaluate",
    "find_hits",
    "popularity_metrics",
    "ranking_metrics",
    "top_k",
]
