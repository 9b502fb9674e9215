"""A page about runs: data, settings, training, scores, bias, and what other commands wrote."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from symcere_jax import hints
from symcere_jax.callbacks import MessageCallback
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import HeldOutSplit
from symcere_jax.evaluation.scored_runs import distinct_names
from symcere_jax.explain.anchoring import Anchoring
from symcere_jax.report import ablation_document as ablation
from symcere_jax.report import anchoring_document as anchoring
from symcere_jax.report import explanation_document as explanation
from symcere_jax.report import run_sections as sections
from symcere_jax.report.bias_document import bias_document
from symcere_jax.report.comparison_document import comparison_document
from symcere_jax.report.documents import Document
from symcere_jax.report.pages import render_page
from symcere_jax.report.records import read_record
from symcere_jax.study.ablation_scores import AblationScores
from symcere_jax.study.bias import measure_bias
from symcere_jax.study.comparison import compare_runs

MAX_EXPLANATIONS = 10


def build_run_page(
    dataset: ReviewDataset,
    folders: Sequence[Path],
    split: HeldOutSplit = "test",
    extras: Sequence[Path] = (),
    progress: MessageCallback = lambda message: None,
) -> str:
    """A page about runs, as HTML.

    Args:
        dataset: the prepared folder of the runs.
        folders: workdirs of training runs, folders with a subfolder seed_* for each of several
            trainings, or workdirs of launch/ablate.py, which give the reference variant and a
            section of the ablation. The first one is the main run.
        split: of the scores.
        extras: folders that ablate.py, anchoring.py or explain.py wrote to.
        progress: called with the title of each section.

    Raises:
        ConfigError: there is no run, or one is given twice.
        DataError: a run or an extra lacks a file, or was scored on other data.
        CheckpointError: a checkpoint is damaged or of another prepared folder.
    """
    if not folders:
        raise ConfigError("a report needs at least one run: --runs=FOLDER")
    distinct_names(folders)  # refuses an ablation, too, that is given twice
    ablations = [folder for folder in folders if _is_ablation(folder)]
    runs = sections.find_runs([_run_folder(folder) for folder in folders])
    run_folders = [run.folder for run in runs]
    scored = not sections.unscored(runs, split)
    steps: dict[str, Callable[[], Document | None]] = {
        "Data": lambda: sections.data_section(dataset),
        "Settings": lambda: sections.settings_section(runs),
        "Training": lambda: sections.training_section(runs),
        "Scores": lambda: sections.scores_section(runs, dataset, split),
    }
    if scored and len(runs) > 1:
        steps["Comparison"] = lambda: comparison_document(compare_runs(run_folders, dataset, split))
    if scored:
        steps["Popularity bias"] = lambda: bias_document(measure_bias(run_folders, dataset, split))
    steps["Map of the embeddings"] = lambda: sections.map_section(runs, dataset)
    documents = []
    for title, make in steps.items():
        progress(title)
        document = make()
        if document is not None:
            documents.append(dataclasses.replace(document, title=title))
    extras = [*ablations, *extras]
    for folder in extras:
        progress(str(folder))
        documents += extra_sections(folder, named=len(extras) > 1)
    names = ", ".join(run.name for run in runs)
    return render_page(f"{dataset.name}: {names}", documents)


def extra_sections(folder: Path, *, named: bool = False) -> list[Document]:
    """Sections of what another command wrote to a folder, which titles name if that is asked for.

    Raises:
        DataError: it holds none of them, or one is not readable.
    """
    documents: list[tuple[str, Document]] = []
    if _is_ablation(folder):
        documents.append(("Ablation", ablation.ablation_document(_read_ablation(folder))))
    if (path := folder / f"{anchoring.NAME}.json").exists():
        record = read_record(path, Anchoring, f"run {hints.command('anchoring')} again")
        documents.append(("Semantic anchoring", anchoring.anchoring_document(record)))
    if (path := folder / f"{explanation.NAME}.json").exists():
        explanations = read_record(
            path, explanation.Explanations, f"run {hints.command('explain')} again"
        )
        document = explanation.explanation_document(explanations, MAX_EXPLANATIONS)
        documents.append(("Explanations", document))
    if not documents:
        raise DataError(
            f"{folder} holds no ablation.json, anchoring.json or explanations.json: give folders "
            "that an ablation, anchoring or explain wrote"
        )
    suffix = f" ({folder.name})" if named else ""
    return [dataclasses.replace(document, title=title + suffix) for title, document in documents]


def _is_ablation(folder: Path) -> bool:
    return (folder / f"{ablation.NAME}.json").exists()


def _read_ablation(folder: Path) -> AblationScores:
    remedy = f"run {hints.command('ablate')}, which resumes where it stopped"
    return read_record(folder / f"{ablation.NAME}.json", AblationScores, remedy)


def _run_folder(folder: Path) -> Path:
    """Of an ablation, the folder of the variant that the others are compared with."""
    if not _is_ablation(folder):
        return folder
    return folder / _read_ablation(folder).variants[0].name
