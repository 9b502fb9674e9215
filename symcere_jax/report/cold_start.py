"""Results on new users and items: as a table for the terminal, and as a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, SHOWN_METRICS
from symcere_jax.files import write_json
from symcere_jax.report.tables import terminal_table
from symcere_jax.study.cold_start_scores import ColdStartResult

HEADER = ("task", "users", "method", *SHOWN_METRICS, f"SymCERE − it, {PRIMARY_METRIC} (95 %)")


def cold_start_rows(results: Sequence[ColdStartResult]) -> list[list[str]]:
    """A row a task and method, under `HEADER`."""
    rows = []
    for result in results:
        for place, (method, evaluation) in enumerate(result.evaluations.items()):
            test = result.tests.get(method)
            gain = f"{test.difference:+.4f} ({test.low:+.4f} … {test.high:+.4f})" if test else ""
            task, n = (result.task, f"{len(evaluation.users):,}") if place == 0 else ("", "")
            values = (f"{evaluation.metrics[name]:.4f}" for name in SHOWN_METRICS)
            rows.append([task, n, method, *values, gain])
    return rows


def cold_start_table(results: Sequence[ColdStartResult], title: str) -> Table:
    """A table for the terminal."""
    return terminal_table(HEADER, cold_start_rows(results), title, n_words=3)


def write_cold_start(
    results: Sequence[ColdStartResult],
    workdir: Path,
    split: str,
    dataset: ReviewDataset,
    step: int,
) -> Path:
    """Writes `cold_start_<split>.json`.

    It has, under "tasks", task -> method -> metrics by flat keys, beside the data set's name and
    fingerprint, the split and the step of the checkpoint.

    Args:
        results: what to write.
        workdir: where to.
        split: "valid" or "test".
        dataset: that was evaluated on.
        step: of the checkpoint.
    """
    content = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "split": split,
        "step": step,
        "tasks": {
            result.task: {
                method: {"n_users": len(np.asarray(found.users)), **found.metrics}
                for method, found in result.evaluations.items()
            }
            for result in results
        },
    }
    path = workdir / f"cold_start_{split}.json"
    write_json(path, content)
    return path
