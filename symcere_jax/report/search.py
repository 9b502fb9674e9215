"""What a search leaves for people: a flagfile of the winner, a table and a plot of all trials."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from symcere_jax.report.files import write_files
from symcere_jax.report.tables import plain
from symcere_jax.settings import Settings
from symcere_jax.study.trials import SearchResult, Trial

FLAGS = "best.flags"
TABLE = "trials.csv"
PLOT = "history.png"
_STATES = ("complete", "pruned", "failed")
_MARKERS = {"complete": "o", "pruned": "x"}  # failed trials have no score


def write_search(result: SearchResult, workdir: Path, dataset: str) -> list[Path]:
    """Writes `trials.csv`, `history.png` and, if a trial is complete, `best.flags`.

    Args:
        result: of the search.
        workdir: where to.
        dataset: name of the data set, for titles.

    Returns:
        The paths of the files.
    """
    figure = history_figure(result.trials, dataset)
    writers: dict[str, Callable[[Path], object]] = {
        TABLE: lambda path: _write_table(result.trials, path),
        PLOT: lambda path: figure.savefig(path, dpi=150, format="png"),
    }
    if result.best is not None:
        counts = {state: sum(trial.state == state for trial in result.trials) for state in _STATES}
        comment = [
            f"# Trial {result.best.number} of a search on {dataset}.",
            f"# Best of {', '.join(f'{n} {state}' for state, n in counts.items() if n)} trials:",
            f"# valid ndcg@10 {result.best.score:.4f}, epoch {result.best.best_epoch}.",
        ]
        text = "\n".join([*comment, *flag_lines(result.best.settings)]) + "\n"
        writers[FLAGS] = lambda path: path.write_text(text, encoding="utf-8")
    return write_files(workdir, writers)


def flag_lines(settings: Settings) -> list[str]:
    """Command line flags of the settings that differ from the defaults."""
    defaults = Settings().as_dict()
    return [
        _flag(name, value) for name, value in settings.as_dict().items() if value != defaults[name]
    ]


def history_figure(trials: tuple[Trial, ...], title: str) -> Figure:
    """The score of each trial by number, and the best of the complete ones so far."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for state, marker in _MARKERS.items():
        scores = {
            trial.number: trial.score
            for trial in trials
            if trial.state == state and trial.score is not None
        }
        if scores:
            axes.plot(list(scores), list(scores.values()), marker, label=state)
        if scores and state == "complete":
            best = np.maximum.accumulate(list(scores.values()))
            axes.step(list(scores), best, where="post", color="C0", alpha=0.5, label="best so far")
    axes.set(xlabel="trial", ylabel="valid NDCG@10", title=plain(title))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.lines:
        axes.legend()
    return figure


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={value}"


def _write_table(trials: tuple[Trial, ...], path: Path) -> None:
    names = ("number", "state", "score", "epochs", "best_epoch", "seconds", "error")
    searched = list(trials[0].searched) if trials else []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *searched])
        for trial in trials:
            row = [getattr(trial, name) for name in names]
            writer.writerow([*row, *(trial.searched[name] for name in searched)])
