"""The trials of a search."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from symcere_jax.settings import Settings


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        state: "complete"; "pruned": stopped as no match for the others; "failed": see `error`.
        searched: those of them that were searched.
        score: best validation NDCG@10; of a pruned trial: the last one; None if failed.
        epochs: epochs trained; None if failed.
        best_epoch: the epoch that was best; None if failed.
        seconds: time of training, since the last start; None if failed.
    """

    number: int
    state: str
    settings: Settings
    searched: Mapping[str, Any]
    score: float | None
    epochs: int | None
    best_epoch: int | None
    seconds: float | None
    error: str | None


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The trials of a search.

    Attributes:
        trials: those that have ended, by number.
        stopped: it was told to stop before all trials were done.
    """

    trials: tuple[Trial, ...]
    best: Trial | None
    stopped: bool


def best_trial(trials: Iterable[Trial]) -> Trial | None:
    """The complete trial of the highest score, the first of them; None if none is complete."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: trial.score or 0.0, default=None)
