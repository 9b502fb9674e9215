"""Many runs, in worker processes: a standard pool, stopped by one event, reporting on one queue."""

import dataclasses
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from symcere_jax.callbacks import ShouldStop
from symcere_jax.errors import SymcereError

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_STOP = 5.0  # for workers that are left when one was killed
DEVICE_MEMORY_SHARE = 0.9  # of an accelerator, for all workers together

Work = Callable[[Any, Callable[[Any], None], ShouldStop], Any]
"""`work(task, report, should_stop)`: a function of a module, so that workers can import it."""

_stop: Any = None  # of this worker: the event that all workers share
_reports: Any = None  # and their queue


class Epoch(NamedTuple):
    """An epoch of one run of many; the score is NDCG@10 on the validation split."""

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
        from symcere_jax.evaluation import PRIMARY_METRIC  # JAX, which not all tasks need

        self.report(Epoch(self.run, int(record["epoch"]), record[PRIMARY_METRIC]))


def run_tasks(
    work: Work,
    tasks: Sequence[Any],
    *,
    processes: int,
    on_report: Callable[[Any], None],
    should_stop: ShouldStop,
) -> Iterator[Any]:
    """Works on tasks in processes, and yields their results as they come.

    Tasks are picklable, and start in their order, `processes` at a time. `work` is called with a
    task, a function whose argument reaches `on_report`, and one that tells whether to stop. When
    `should_stop` is true, workers are told to stop, and start no more tasks.

    Yields:
        What `work` returned, unless that is None.

    Raises:
        SymcereError: a worker was killed.
        Exception: whatever `work` raises; the other workers are told to stop first.
    """
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process that uses JAX may hang
    stop, reports = context.Event(), context.SimpleQueue()
    shared = (stop, reports, DEVICE_MEMORY_SHARE / processes)
    others = set(multiprocessing.active_children())
    workers: set[BaseProcess] = set()
    with ProcessPoolExecutor(min(processes, len(tasks)), context, _start, shared) as pool:
        waiting = {pool.submit(_run, work, task) for task in tasks}
        workers |= set(multiprocessing.active_children()) - others
        try:
            while waiting:
                if should_stop():
                    stop.set()
                done, waiting = wait(waiting, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                # The pool may miss that a worker was killed, and would then wait for it forever.
                alive = set(multiprocessing.active_children()) - others
                if not done and workers - alive:
                    raise BrokenProcessPool
                workers |= alive
                while not reports.empty():
                    on_report(reports.get())
                results = [future.result() for future in done]
                yield from (result for result in results if result is not None)
        except BrokenProcessPool:
            if not should_stop():
                raise SymcereError(
                    "a worker process was killed (out of memory?): run the same command again, "
                    "with fewer --processes"
                ) from None
        finally:
            stop.set()  # the pool then waits for its workers
            if not all(worker.is_alive() for worker in workers):
                for worker in workers:
                    worker.join(SECONDS_TO_STOP)
                    worker.kill()


def _start(stop: Any, reports: Any, memory_share: float) -> None:
    """Prepares a worker."""
    global _stop, _reports
    _stop, _reports = stop, reports
    # Ctrl-C reaches all processes: the first decides, and tells the workers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ignore_once)
    # JAX takes most of an accelerator's memory when it starts, unless told otherwise.
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{memory_share:.3f}")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _run(work: Work, task: Any) -> Any:
    return None if _stop.is_set() else work(task, _reports.put, _stop.is_set)


def _ignore_once(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)


def _end_with_parent() -> None:
    """A parent that was killed can tell nothing: its workers end as they are, to be resumed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
