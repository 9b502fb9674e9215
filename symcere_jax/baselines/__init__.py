"""Baselines: other recommenders under the same evaluator, data and protocol."""

from symcere_jax.baselines.base import Baseline, Popularity, Scorer
from symcere_jax.baselines.methods import METHODS
from symcere_jax.baselines.runs import (
    BaselineRecord,
    BaselineSummary,
    BaselineTrial,
    run_baseline,
    sample_settings,
)
from symcere_jax.baselines.text_knn import EncoderKnn

__all__ = [
    "METHODS",
    "Baseline",
    "BaselineRecord",
    "BaselineSummary",
    "BaselineTrial",
    "EncoderKnn",
    "Popularity",
    "Scorer",
    "run_baseline",
    "sample_settings",
]
