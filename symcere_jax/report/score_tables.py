"""Tables of scores: of an evaluation, of baselines, and on new users and items."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from symcere_jax.baselines.methods import METHODS
from symcere_jax.baselines.runs import BaselineSummary
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, SHOWN_METRICS
from symcere_jax.files import write_json
from symcere_jax.report.documents import Document, write_document
from symcere_jax.report.tables import Columns, Table, number
from symcere_jax.study.cold_start import ColdStartResult


def metrics_table(metrics: Mapping[str, float]) -> Table:
    """One row per metric and one column per cutoff, of "metric@k" -> value."""
    names = list(dict.fromkeys(key.split("@")[0] for key in metrics))
    cutoffs = sorted({int(key.split("@")[1]) for key in metrics})
    digits = {name: 1 if name == "popularity" else 4 for name in names}
    rows = [
        [name, *(f"{metrics[f'{name}@{k}']:.{digits[name]}f}" for k in cutoffs)] for name in names
    ]
    return Table(["metric", *(f"@{k}" for k in cutoffs)], rows)


_BASELINES: Columns = [
    ("method", lambda baseline: baseline.title),
    ("valid", lambda baseline: f"{baseline.valid:.4f}"),
    ("test", lambda baseline: f"{baseline.test:.4f}"),
    ("± std over seeds", lambda baseline: number(baseline.seed_std)),
    ("± error over users", lambda baseline: f"{baseline.standard_error:.4f}"),
    ("seconds", lambda baseline: f"{baseline.seconds:.0f}"),
]


def baselines_table(baselines: Sequence[BaselineSummary]) -> Table:
    """One row per baseline."""
    return Table.of(baselines, _BASELINES)


def write_baselines(
    baselines: Sequence[BaselineSummary],
    skipped: Mapping[str, str],
    dataset: ReviewDataset,
    workdir: Path,
) -> list[Path]:
    """Writes `baselines.md` and `baselines.json`."""
    n_users = len(np.unique(dataset.test[:, 0]))
    document = Document(
        f"Baselines on {dataset.name}",
        [
            f"NDCG@10, full ranking, {n_users:,} test users. Settings are chosen on the validation "
            "split.",
            baselines_table(baselines),
            *(f"- {METHODS[name].title}: {reason}" for name, reason in skipped.items()),
        ],
    )
    content = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "metric": PRIMARY_METRIC,
        "n_users": n_users,
        "baselines": baselines,
        "skipped": skipped,
    }
    return write_document(document, content, workdir, "baselines")


def cold_start_table(results: Sequence[ColdStartResult]) -> Table:
    """One row per task and method."""
    rows = []
    for result in results:
        for place, (method, evaluation) in enumerate(result.evaluations.items()):
            test = result.tests.get(method)
            gain = f"{test.difference:+.4f} ({test.low:+.4f} … {test.high:+.4f})" if test else ""
            task, n = (result.task, f"{len(evaluation.users):,}") if place == 0 else ("", "")
            values = (f"{evaluation.metrics[name]:.4f}" for name in SHOWN_METRICS)
            rows.append([task, n, method, *values, gain])
    gain = f"SymCERE − it, {PRIMARY_METRIC} (95 %)"
    return Table(["task", "users", "method", *SHOWN_METRICS, gain], rows, n_words=3)


def write_cold_start(
    results: Sequence[ColdStartResult], workdir: Path, split: str, dataset: ReviewDataset, step: int
) -> Path:
    """Writes `cold_start_<split>.json`, which has metrics under "tasks", task and method."""
    tasks = {
        result.task: {
            method: {"n_users": len(evaluation.users), **evaluation.metrics}
            for method, evaluation in result.evaluations.items()
        }
        for result in results
    }
    content = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "split": split}
    path = workdir / f"cold_start_{split}.json"
    write_json(path, content | {"step": step, "tasks": tasks})
    return path
