"""Baselines: other recommenders under the same evaluator, data and protocol."""

from symcere_jax.baselines.methods import METHODS, Method
from symcere_jax.baselines.runs import (
    BaselineTrial,
    Record,
    count_steps,
    run_baseline,
    sample_settings,
)
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.baselines.summary import BaselineSummary, summarize_baseline

__all__ = [
    "METHODS",
    "BaselineSummary",
    "BaselineTrial",
    "Method",
    "Record",
    "Scorer",
    "count_steps",
    "run_baseline",
    "sample_settings",
    "summarize_baseline",
]
