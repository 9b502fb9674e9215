"""Observers of many runs."""

import dataclasses
from collections.abc import Callable, Mapping

from symcere_jax.evaluation import PRIMARY_METRIC


@dataclasses.dataclass(frozen=True)
class Epoch:
    """An epoch of one run of many.

    Attributes:
        number: epochs done; 0: nothing is learned yet.
        score: NDCG@10 on the validation split.
    """

    run: str
    number: int
    score: float


class RunsObserver:
    """Base of those who follow many runs; it does nothing itself."""

    def start(self, total: int, done: int) -> None:
        """The work starts, or resumes with `done` runs done."""

    def epoch(self, epoch: Epoch) -> None:
        """A run has done an epoch."""

    def end(self, line: str) -> None:
        """A run has ended; the line says how."""


SILENT = RunsObserver()


@dataclasses.dataclass(frozen=True)
class EpochReporter:
    """Observes the training of a run, and passes on its epochs."""

    run: str
    report: Callable[[Epoch], None]

    def start(self, *arguments: object, **options: object) -> None:
        """Does nothing."""

    steps = start

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """Reports an epoch."""
        self.report(Epoch(self.run, int(record["epoch"]), record[PRIMARY_METRIC]))
