"""Baselines: other recommenders under the same evaluator, data and protocol."""

from symcere_jax.baselines.methods import METHODS, Method
from symcere_jax.baselines.report import HEADER, Row, summarize, write_report
from symcere_jax.baselines.runs import Record, Trial, count_steps, run_baseline, sample_settings
from symcere_jax.baselines.scorer import Scorer

__all__ = [
    "HEADER",
    "METHODS",
    "Method",
    "Record",
    "Row",
    "Scorer",
    "Trial",
    "count_steps",
    "run_baseline",
    "sample_settings",
    "summarize",
    "write_report",
]
