"""Sections of a page about runs."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax import hints
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.evaluation import PRIMARY_METRIC, SHOWN_METRICS, HeldOutSplit
from symcere_jax.evaluation.scored_runs import distinct_names, read_runs, seed_folders
from symcere_jax.evaluation.significance import bootstrap_interval
from symcere_jax.report.documents import Details, Document
from symcere_jax.report.run_plots import dataset_plot, embedding_plot, training_plot
from symcere_jax.report.tables import Table, interval
from symcere_jax.settings import Settings
from symcere_jax.training import Checkpoints, load_embeddings
from symcere_jax.training.metric_log import FILE as LOG_FILE
from symcere_jax.training.metric_log import read_metric_logs


@dataclasses.dataclass(frozen=True)
class ReportedRun:
    """A run to report on.

    Attributes:
        seeds: folders of its trainings.
        trained: those of them with a checkpoint.
    """

    name: str
    folder: Path
    seeds: list[Path]
    trained: list[Path]


def find_runs(folders: Sequence[Path]) -> list[ReportedRun]:
    """Runs, each a workdir of a training, or a folder with a subfolder seed_* for each of several.

    Raises:
        ConfigError: a run is given twice.
        DataError: a training has neither a log nor a checkpoint.
    """
    runs = []
    for name, folder in zip(distinct_names(folders), folders, strict=True):
        seeds = seed_folders(folder)
        trained = [seed for seed in seeds if Checkpoints(seed).numbers()]
        for seed in seeds:
            if seed not in trained and not read_metric_logs(seed):
                raise DataError(
                    f"run {name}: {seed} has neither {LOG_FILE} nor a checkpoint; give the "
                    "--workdir of a training"
                )
        runs.append(ReportedRun(name, folder, seeds, trained))
    return runs


def unscored(runs: Sequence[ReportedRun], split: HeldOutSplit) -> list[Path]:
    """Trainings without scores on a split."""
    metrics = f"metrics_{split}.json"
    return [seed for run in runs for seed in run.seeds if not (seed / metrics).exists()]


def data_section(dataset: ReviewDataset) -> Document:
    """What the runs learned from."""
    manifest = dataset.manifest
    table = dataset.reviews(["rating", "text"])
    ratings = np.array(table["rating"].to_pylist(), dtype=np.float64)
    n_words = np.array([len(text.split()) for text in table["text"].to_pylist()])
    counts = manifest.n_interactions
    encoders = [f"{name} ({entry['width']} wide)" for name, entry in manifest.text_encoders.items()]
    facts = {
        "name": manifest.name,
        "fingerprint": manifest.fingerprint,
        "source": str(manifest.source.get("kind", "–")),
        "users": f"{manifest.n_users:,}",
        "items": f"{manifest.n_items:,}",
        "reviews": f"{manifest.n_reviews:,}",
        "density": f"{manifest.n_reviews / manifest.n_users / manifest.n_items:.2%}",
        "split": manifest.split_name,
        "train, valid, test": ", ".join(f"{counts[split]:,}" for split in schema.SPLITS),
        "k-core": str(manifest.k_core),
        "words a review": f"{n_words.mean():.0f}",
        "text features": ", ".join(encoders) or "none",
    }
    table_of_facts = Table(["fact", "value"], [[*fact] for fact in facts.items()], n_words=2)
    return Document("Data", [table_of_facts, dataset_plot(dataset, ratings, n_words)])


def settings_section(runs: Sequence[ReportedRun]) -> Document:
    """Where the runs differ from each other and from the defaults."""
    stored: list[dict[str, Any]] = [
        Checkpoints(run.trained[0]).metadata().settings.as_dict() if run.trained else {}
        for run in runs
    ]
    names = [run.name for run in runs]
    changed, every = [], []
    for setting, default in Settings().as_dict().items():
        values = [str(settings.get(setting, "–")) for settings in stored]
        every.append([setting, *values])
        if any(settings and settings.get(setting) != default for settings in stored):
            changed.append([setting, str(default), *values])
    return Document(
        "Settings",
        [
            "Settings that are not the default in some run; where the default is None, the value "
            "follows from the data.",
            Table(["setting", "default", *names], changed),
            Details("All settings", Table(["setting", *names], every)),
        ],
    )


def training_section(runs: Sequence[ReportedRun]) -> Document | None:
    """The course of the training; None without logs."""
    logs: dict[str, list] = {}
    for run in runs:
        for seed in run.seeds:
            for expert, log in read_metric_logs(seed).items():
                logs.setdefault(", ".join(filter(None, [run.name, expert])), []).append(log)
    return Document("Training", [training_plot(logs)]) if logs else None


def scores_section(
    runs: Sequence[ReportedRun], dataset: ReviewDataset, split: HeldOutSplit
) -> Document:
    """Metrics with intervals; or how to get them."""
    missing = unscored(runs, split)
    if missing:
        commands = [
            hints.command("evaluate", workdir=seed, dataset=dataset.folder, split=split)
            for seed in missing
        ]
        why = f"Scores, comparison and bias need every run scored on the {split} split. Missing:"
        return Document("Scores", [why, *commands])
    folders = [run.folder for run in runs]
    read_runs(folders, dataset, split, PRIMARY_METRIC)  # refuses files that are damaged
    stored = [
        json.loads((seed / f"metrics_{split}.json").read_text(encoding="utf-8"))
        for run in runs
        for seed in run.seeds
    ]
    metrics = [metric for metric in SHOWN_METRICS if all(metric in scores for scores in stored)]
    rows = [[run.name] for run in runs]
    for metric in metrics:
        for row, run in zip(rows, read_runs(folders, dataset, split, metric), strict=True):
            values = run.values.mean(axis=0)
            [low], [high] = bootstrap_interval(values[None], n_resamples=2000)
            row.append(interval(values.mean(), low, high, ".4f"))
    n_users = len(np.unique(dataset.interactions(split)[:, 0]))
    note = (
        f"{split} split, {n_users:,} users, full ranking of the catalog. In brackets: 95 % "
        "bootstrap interval over users; values of several seeds are averaged first."
    )
    return Document("Scores", [Table(["run", *metrics], rows), note])


def map_section(runs: Sequence[ReportedRun], dataset: ReviewDataset) -> Document | None:
    """Users and items of the first run in two dimensions; None without a checkpoint."""
    if not runs[0].trained:
        return None
    embeddings = load_embeddings(runs[0].trained[0], dataset)[0]
    users, items = np.asarray(embeddings.users), np.asarray(embeddings.items)
    counts = dataset.user_counts(), dataset.item_counts()
    return Document("Map of the embeddings", [embedding_plot(users, items, *counts, runs[0].name)])
