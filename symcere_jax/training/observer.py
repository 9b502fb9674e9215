"""Who is told about a run: the log, and an observer such as a progress bar."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.checkpoints import Progress
from symcere_jax.training.metric_log import MetricLog
from symcere_jax.training.run import Run


class Observer(Protocol):
    """Is told about the progress of a run."""

    def start(
        self,
        settings: ResolvedSettings,
        steps_per_epoch: int,
        batch_size: int,
        progress: Progress,
    ) -> None:
        """The run starts, or resumes from a checkpoint."""

    def steps(self, epoch: int, steps: int, loss: float) -> None:
        """Some more steps of an epoch are done."""

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """An epoch is done and validated."""


class Reporter:
    """Writes the log and tells the observer, in the primary process; does nothing in others.

    Args:
        workdir: gets the log.
        observer: is told about the progress.
        started: time at which the run started.
    """

    def __init__(self, workdir: Path, observer: Observer | None, started: float) -> None:
        self._workdir, self._observer, self._started = workdir, observer, started
        self._log: MetricLog | None = None

    def open(
        self, stack: contextlib.ExitStack, run: Run, progress: Progress, resume_step: int
    ) -> None:
        """Opens the log and tells that the run starts."""
        self._log = stack.enter_context(MetricLog(self._workdir, resume_step))
        if self._observer:
            self._observer.start(run.settings, run.steps_per_epoch, run.batch_size, progress)

    def steps(self, epoch: int, steps: int, loss: float) -> None:
        """Tells about some more steps."""
        if self._log is not None and self._observer:
            self._observer.steps(epoch, steps, loss)

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """Logs an epoch and tells about it."""
        if self._log is not None:
            self._log.write({**record, "seconds": time.monotonic() - self._started})
            if self._observer:
                self._observer.epoch(record, best)
