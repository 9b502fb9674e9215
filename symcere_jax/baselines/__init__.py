"""Baselines: other recommenders under the same evaluator, data and protocol."""

from symcere_jax.baselines.base import Popularity, Scorer
from symcere_jax.baselines.methods import METHODS
from symcere_jax.baselines.runs import BaselineRecord, BaselineSummary, run_baseline
from symcere_jax.baselines.text_knn import EncoderKnn

__all__ = [
    "METHODS",
    "BaselineRecord",
    "BaselineSummary",
    "EncoderKnn",
    "Popularity",
    "Scorer",
    "run_baseline",
]
