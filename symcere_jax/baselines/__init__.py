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
from symcere_jax.report.baselines import HEADER, Row, summarize_baseline, write_baselines

__all__ = [
    "HEADER",
    "METHODS",
    "BaselineTrial",
    "Method",
    "Record",
    "Row",
    "Scorer",
    "count_steps",
    "run_baseline",
    "sample_settings",
    "summarize_baseline",
    "write_baselines",
]
