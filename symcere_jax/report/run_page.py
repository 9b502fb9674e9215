"""A page about runs: data, settings, training, scores, bias, and what other commands wrote."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax import hints
from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import PRIMARY_METRIC, SHOWN_METRICS
from symcere_jax.evaluation.significance import bootstrap_interval
from symcere_jax.evaluation.stored_scores import distinct_names, read_runs, seed_folders
from symcere_jax.explain.anchoring import Anchoring
from symcere_jax.report import ablation_document as ablation
from symcere_jax.report import anchoring_document as anchoring
from symcere_jax.report import explanation_document as explanation
from symcere_jax.report.bias_document import bias_document
from symcere_jax.report.comparison_document import comparison_document
from symcere_jax.report.documents import Block, Document, read_record, render_page
from symcere_jax.report.run_plots import dataset_plot, embedding_plot, training_plot
from symcere_jax.report.tables import Table, interval
from symcere_jax.settings import Settings
from symcere_jax.study.ablation import AblationScores
from symcere_jax.study.bias import measure_bias
from symcere_jax.study.comparison import compare_runs
from symcere_jax.training import Checkpoints, load_embeddings
from symcere_jax.training.metric_log import FILE as LOG_FILE
from symcere_jax.training.metric_log import read_metric_logs

MAX_EXPLANATIONS = 10
_EXTRAS: tuple[tuple[str, str, str, Any, Callable[[Any], Document]], ...] = (
    (ablation.NAME, "Ablation", "ablate", AblationScores, ablation.ablation_document),
    (anchoring.NAME, "Semantic anchoring", "anchoring", Anchoring, anchoring.anchoring_document),
    (
        explanation.NAME,
        "Explanations",
        "explain",
        explanation.Explanations,
        lambda explanations: explanation.explanation_document(explanations, MAX_EXPLANATIONS),
    ),
)


def build_run_page(
    dataset: ReviewDataset,
    folders: Sequence[Path],
    split: str = "test",
    extras: Sequence[Path] = (),
    progress: MessageCallback = lambda message: None,
) -> str:
    """A page about runs, as HTML.

    Args:
        dataset: the prepared folder of the runs.
        folders: workdirs of training runs, folders with a subfolder seed_* per training (such as
            those of baselines), or workdirs of an ablation, which give the reference variant and a
            section of the ablation. The first one is the main run.
        split: split of the scores.
        extras: folders that ablate, anchoring or explain wrote to.
        progress: called with the title of each section.

    Raises:
        ConfigError: there is no run, or one is given twice.
        DataError: a run or an extra lacks a file, or was scored on other data.
        CheckpointError: a checkpoint is damaged or of another prepared folder.
    """
    if not folders:
        raise ConfigError("a report needs at least one run: --runs=FOLDER")
    distinct_names(folders)  # refuses an ablation, too, that is given twice
    run_folders = [_run_folder(folder) for folder in folders]
    ablations = [folder for folder in folders if folder not in run_folders]
    runs = find_runs(run_folders)
    scored = not unscored(runs, split)
    steps: dict[str, Callable[[], Sequence[Block]]] = {
        "Data": lambda: data_section(dataset),
        "Settings": lambda: settings_section(runs),
        "Training": lambda: training_section(runs),
        "Scores": lambda: scores_section(runs, dataset, split),
    }
    if scored and len(runs) > 1:
        steps["Comparison"] = lambda: (
            comparison_document(compare_runs(run_folders, dataset, split)).blocks
        )
    if scored:
        steps["Popularity bias"] = lambda: (
            bias_document(measure_bias(run_folders, dataset, split)).blocks
        )
    steps["Map of the embeddings"] = lambda: map_section(runs, dataset)
    documents = []
    for title, make in steps.items():
        progress(title)
        if blocks := make():
            documents.append(Document(title, blocks))
    extras = [*ablations, *extras]
    for folder in extras:
        progress(str(folder))
        documents += extra_sections(folder, named=len(extras) > 1)
    names = ", ".join(run.name for run in runs)
    return render_page(f"{dataset.name}: {names}", documents)


def extra_sections(folder: Path, *, named: bool = False) -> list[Document]:
    """Sections of what other commands wrote to a folder; `named`: titles name the folder.

    Raises:
        DataError: it holds none of them, or one is not readable.
    """
    suffix = f" ({folder.name})" if named else ""
    documents = []
    for name, title, command, kind, make in _EXTRAS:
        if (path := folder / f"{name}.json").exists():
            document = make(read_record(path, kind, f"run {hints.command(command)} again"))
            documents.append(dataclasses.replace(document, title=title + suffix))
    if not documents:
        raise DataError(
            f"{folder} holds no ablation.json, anchoring.json or explanations.json: give folders "
            "that an ablation, anchoring or explain wrote"
        )
    return documents


def _run_folder(folder: Path) -> Path:
    """Of an ablation, the folder of the variant that the others are compared with."""
    path = folder / f"{ablation.NAME}.json"
    if not path.exists():
        return folder
    remedy = f"run {hints.command('ablate')}, which resumes where it stopped"
    return folder / read_record(path, AblationScores, remedy).variants[0].name


@dataclasses.dataclass(frozen=True)
class ReportedRun:
    """A run to report on: the folders of its trainings, and those with a checkpoint."""

    name: str
    folder: Path
    seeds: list[Path]
    trained: list[Path]


def find_runs(folders: Sequence[Path]) -> list[ReportedRun]:
    """Finds the trainings of each run: its folder, or the subfolders seed_*.

    Raises:
        ConfigError: a run is given twice.
        DataError: a training has no log, no checkpoint and no scores.
    """
    runs = []
    for name, folder in zip(distinct_names(folders), folders, strict=True):
        seeds = seed_folders(folder)
        trained = [seed for seed in seeds if Checkpoints(seed).numbers()]
        for seed in seeds:
            scores = list(seed.glob("metrics_*.json"))  # all that a baseline has
            if seed not in trained and not scores and not read_metric_logs(seed):
                raise DataError(
                    f"run {name}: {seed} has neither {LOG_FILE} nor a checkpoint nor scores; give "
                    "the --workdir of a training, or the folder of a baseline"
                )
        runs.append(ReportedRun(name, folder, seeds, trained))
    return runs


def unscored(runs: Sequence[ReportedRun], split: str) -> list[Path]:
    """Trainings without scores on a split."""
    metrics = f"metrics_{split}.json"
    return [seed for run in runs for seed in run.seeds if not (seed / metrics).exists()]


def data_section(dataset: ReviewDataset) -> list[Block]:
    """What the runs learned from."""
    manifest = dataset.manifest
    table = dataset.reviews(["rating", "text"])
    ratings = np.array(table["rating"].to_pylist(), dtype=np.float64)
    n_words = np.array([len(text.split()) for text in table["text"].to_pylist()])
    counts = manifest.n_interactions
    encoders = [f"{name} ({entry['width']} wide)" for name, entry in manifest.text_encoders.items()]
    facts = [
        ["name", manifest.name],
        ["fingerprint", manifest.fingerprint],
        ["source", str(manifest.source.get("kind", "–"))],
        ["users", f"{manifest.n_users:,}"],
        ["items", f"{manifest.n_items:,}"],
        ["reviews", f"{manifest.n_reviews:,}"],
        ["density", f"{manifest.n_reviews / manifest.n_users / manifest.n_items:.2%}"],
        ["split", manifest.split_name],
        ["train, valid, test", ", ".join(f"{counts[split]:,}" for split in schema.SPLITS)],
        ["k-core", str(manifest.k_core)],
        ["words per review", f"{n_words.mean():.0f}"],
        ["text features", ", ".join(encoders) or "none"],
    ]
    return [Table(["fact", "value"], facts, n_words=2), dataset_plot(dataset, ratings, n_words)]


def settings_section(runs: Sequence[ReportedRun]) -> list[Block]:
    """Where runs with a checkpoint differ from each other and from the defaults."""
    stored = {
        run.name: Checkpoints(run.trained[0]).metadata().settings.as_dict()
        for run in runs
        if run.trained
    }
    if not stored:
        return []
    changed, every = [], []
    for setting, default in Settings().as_dict().items():
        values = [str(settings[setting]) for settings in stored.values()]
        every.append([setting, *values])
        if any(settings[setting] != default for settings in stored.values()):
            changed.append([setting, str(default), *values])
    return [
        "Settings that differ from the default in some run; None: chosen from the data.",
        Table(["setting", "default", *stored], changed),
        Table(["setting", *stored], every, summary="All settings"),
    ]


def training_section(runs: Sequence[ReportedRun]) -> list[Block]:
    """The course of the training, if there are logs."""
    logs: dict[str, list] = {}
    for run in runs:
        for seed in run.seeds:
            for expert, log in read_metric_logs(seed).items():
                logs.setdefault(", ".join(filter(None, [run.name, expert])), []).append(log)
    return [training_plot(logs)] if logs else []


def scores_section(runs: Sequence[ReportedRun], dataset: ReviewDataset, split: str) -> list[Block]:
    """Metrics with intervals; or how to get them."""
    if missing := unscored(runs, split):
        why = f"Scores, comparison and bias need every run scored on the {split} split. Missing:"
        flags = {"dataset": dataset.folder, "split": split}
        return [why, *(hints.command("evaluate", workdir=seed, **flags) for seed in missing)]
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
    note = (
        f"{split} split, {len(values):,} users, full ranking of the catalog. In brackets: 95 % "
        "bootstrap interval over users; values of several seeds are averaged first."
    )
    return [Table(["run", *metrics], rows), note]


def map_section(runs: Sequence[ReportedRun], dataset: ReviewDataset) -> list[Block]:
    """Users and items of the first run in two dimensions, if it has a checkpoint."""
    if not runs[0].trained:
        return []
    embeddings = load_embeddings(runs[0].trained[0], dataset)[0]
    users, items = (np.asarray(x, np.float32) for x in (embeddings.users, embeddings.items))
    counts = dataset.user_counts(), dataset.item_counts()
    return [embedding_plot(users, items, *counts, runs[0].name)]
