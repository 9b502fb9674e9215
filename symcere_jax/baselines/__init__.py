"""Baselines: other recommenders under the same evaluator, data and protocol.

A method is a file with its settings, its `fit` and, if need be, its scores; `methods.METHODS`
lists them.
"""

from symcere_jax.baselines.methods import METHODS, Method
from symcere_jax.baselines.runs import (
    BaselineRecord,
    BaselineTrial,
    run_baseline,
    sample_settings,
)
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.baselines.tuned_scores import BaselineSummary, summarize_baseline

__all__ = [
    "METHODS",
    "BaselineRecord",
    "BaselineSummary",
    "BaselineTrial",
    "Method",
    "Scorer",
    "run_baseline",
    "sample_settings",
    "summarize_baseline",
]
