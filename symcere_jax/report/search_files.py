"""Files of a search: the winner's flags, a table and a plot of all trials."""

import csv
import io
from pathlib import Path

import numpy as np

from symcere_jax.report.documents import write_texts
from symcere_jax.report.plots import Axes, Plot, plain, svg
from symcere_jax.settings import Settings
from symcere_jax.study.search import SearchResult, Trial

FLAGS = "best.flags"
TABLE = "trials.csv"
PLOT = "history.svg"
_STATES = ("complete", "pruned", "failed")
_MARKERS = {"complete": "o", "pruned": "x"}  # failed trials have no score
_COLUMNS = ("number", "state", "score", "epochs", "best_epoch", "seconds", "error")


def write_search(result: SearchResult, workdir: Path, dataset: str) -> list[Path]:
    """Writes `trials.csv`, `history.svg` and, if a trial is complete, `best.flags`."""
    plot = svg(history_plot(result.trials, dataset).figure())
    texts = {workdir / TABLE: _table(result.trials), workdir / PLOT: plot}
    best = result.best
    if best is not None:
        counts = {state: sum(trial.state == state for trial in result.trials) for state in _STATES}
        trials = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
        lines = [
            f"# Trial {best.number} of a search on {dataset}, best of {trials} trials:",
            f"# valid ndcg@10 {best.score:.4f}, epoch {best.best_epoch}.",
            *flag_lines(best.settings),
        ]
        texts[workdir / FLAGS] = "\n".join(lines) + "\n"
    return write_texts(texts)


def flag_lines(settings: Settings) -> list[str]:
    """Command line flags of the settings that differ from the defaults."""
    defaults = Settings().as_dict()
    return [
        f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value}"
        for name, value in settings.as_dict().items()
        if value != defaults[name]
    ]


def history_plot(trials: tuple[Trial, ...], title: str) -> Plot:
    """The score of each trial by number, and the best of the complete ones so far."""

    def draw(panels: list[Axes]) -> None:
        [axes] = panels
        for state, marker in _MARKERS.items():
            scores = {
                trial.number: trial.score
                for trial in trials
                if trial.state == state and trial.score is not None
            }
            if scores:
                numbers, values = list(scores), list(scores.values())
                axes.plot(numbers, values, marker, label=state)
                if state == "complete":
                    best = np.maximum.accumulate(values)
                    axes.step(numbers, best, "C0", where="post", alpha=0.5, label="best so far")
        axes.set(xlabel="trial", ylabel="valid NDCG@10", title=plain(title))
        axes.locator_params(axis="x", integer=True)
        if axes.lines:
            axes.legend()

    return Plot(draw, 1, "Validation scores by trial.", (7.0, 4.0))


def _table(trials: tuple[Trial, ...]) -> str:
    searched = list(trials[0].searched) if trials else []
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([*_COLUMNS, *searched])
    for trial in trials:
        row = [getattr(trial, name) for name in _COLUMNS]
        writer.writerow([*row, *(trial.searched[name] for name in searched)])
    return file.getvalue()
