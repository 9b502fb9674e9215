"""What a search tells of its trials."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from symcere_jax.settings import Settings
from symcere_jax.study.training import Epoch


class SearchObserver(Protocol):
    """Is told how the search goes on."""

    def start(self, total: int, done: int) -> None:
        """The search starts, or goes on with some trials done."""

    def epoch(self, trial: int, epoch: Epoch) -> None:
        """A trial has done an epoch."""

    def trial(self, trial: "Trial", best: "Trial | None") -> None:
        """A trial has ended."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        number: from 0.
        state: "complete"; "pruned": stopped as no match for the others; "failed": see `error`.
        config: its settings.
        searched: those of them that were searched.
        score: best validation NDCG@10; of a pruned trial: the last one; None if failed.
        epochs: epochs trained; None if failed.
        best_epoch: the epoch that was best; None if failed.
        seconds: time of training, since the last start; None if failed.
        error: why it failed, else None.
    """

    number: int
    state: str
    config: Settings
    searched: Mapping[str, Any]
    score: float | None
    epochs: int | None
    best_epoch: int | None
    seconds: float | None
    error: str | None


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        trials: those that have ended, by number.
        best: the complete one of the highest score, the first of them; None if none is complete.
        stopped: it was told to stop before all trials were done.
    """

    trials: tuple[Trial, ...]
    best: Trial | None
    stopped: bool


def best_trial(trials: Iterable[Trial]) -> Trial | None:
    """The complete trial of the highest score, the first of them; None if none is complete."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: trial.score or 0.0, default=None)
