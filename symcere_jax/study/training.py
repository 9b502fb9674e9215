"""Training as the work of a process."""

import dataclasses
from collections.abc import Mapping

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC
from symcere_jax.study.processes import Job, ReportCallback
from symcere_jax.training import Progress, TrainResult, train


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What a run reports after an epoch.

    Attributes:
        number: epochs done; 0: nothing is learned yet.
        score: NDCG@10 on the validation split; None without validation data.
    """

    number: int
    score: float | None


def train_job(job: Job, report: ReportCallback, should_stop: ShouldStop) -> TrainResult:
    """Trains a run, or goes on with it, and reports each `Epoch` (see `processes.Work`)."""
    return train(
        job.config,
        ReviewDataset.load(job.dataset),
        job.workdir,
        observer=_Reporter(report),
        should_stop=should_stop,
    )


class _Reporter:
    """Observes a run for another process."""

    def __init__(self, report: ReportCallback) -> None:
        self._report = report

    def start(self, epochs: int, steps_per_epoch: int, batch_size: int, progress: Progress) -> None:
        """Reports nothing."""

    def steps(self, epoch: int, steps: int, loss: float) -> None:
        """Reports nothing."""

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """Reports an epoch."""
        self._report(Epoch(int(record["epoch"]), record.get(PRIMARY_METRIC)))
