"""Jobs in processes of their own, several at a time.

A fresh process a job: what JAX compiled and allocated goes with it.
"""

import dataclasses
import itertools
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from symcere_jax.callbacks import ShouldStop
from symcere_jax.errors import SymcereError
from symcere_jax.settings import Settings

SECONDS_BETWEEN_LOOKS = 0.2
DEVICE_MEMORY_SHARE = 0.9  # of an accelerator, for all processes together


@dataclasses.dataclass(frozen=True)
class Job:
    """One training run of many.

    Attributes:
        config: its settings.
        dataset: prepared folder.
        workdir: gets its checkpoints and logs.
    """

    config: Settings
    dataset: Path
    workdir: Path


ReportCallback = Callable[[Any], None]
# What is done for a job, in its process. A function of a module, so that processes can import it.
Work = Callable[[Job, ReportCallback, ShouldStop], Any]


def run_jobs(
    work: Work,
    jobs: Iterable[Job],
    *,
    processes: int,
    on_report: Callable[[Job, Any], bool] = lambda job, message: False,
    should_stop: ShouldStop = lambda: False,
) -> Iterator[tuple[Job, Any]]:
    """Works on jobs, each in a new process, and yields them as they end.

    Args:
        work: called with a job, a function that reports to `on_report`, and one that tells whether
            to stop early; what it returns, and what it reports, must be picklable.
        jobs: taken one by one, each when a process is free.
        processes: how many run at a time.
        on_report: called here with a job and what it reported; if true, that job is told to stop.
        should_stop: asked now and then; if true, all jobs are told to stop and none is started.

    Yields:
        A job and what `work` returned, or the SymcereError that it raised.

    Raises:
        SymcereError: a process was killed from outside.
        RuntimeError: `work` raised anything else; with the traceback of the process.
    """
    context = multiprocessing.get_context("spawn")  # a fork of a process that uses JAX may hang
    waiting = iter(jobs)
    running: dict[Connection, _Running] = {}
    try:
        while True:
            if should_stop():
                for process in running.values():
                    process.stop.set()
            else:
                for job in itertools.islice(waiting, processes - len(running)):
                    started = _Running.start(context, work, job, processes)
                    running[started.connection] = started
            if not running:
                return
            for connection in wait(list(running), timeout=SECONDS_BETWEEN_LOOKS):
                process = running[connection]  # type: ignore[index]
                message = process.receive()
                if isinstance(message, _Ended):
                    process.close()
                    del running[process.connection]
                    yield process.job, message.outcome
                elif on_report(process.job, message):
                    process.stop.set()
    finally:
        for process in running.values():
            process.process.kill()  # what it has saved is what it goes on from
            process.close()


@dataclasses.dataclass(frozen=True)
class _Ended:
    """The last message of a process."""

    outcome: Any


@dataclasses.dataclass(frozen=True)
class _Failed:
    """The last message of a process that met a defect."""

    traceback: str


@dataclasses.dataclass(frozen=True)
class _Running:
    """A process at work, seen from the process that started it."""

    job: Job
    process: SpawnProcess
    connection: Connection
    stop: Event

    @classmethod
    def start(cls, context: SpawnContext, work: Work, job: Job, processes: int) -> "_Running":
        receiver, sender = context.Pipe(duplex=False)
        stop = context.Event()
        share = DEVICE_MEMORY_SHARE / processes
        process = context.Process(
            target=_work, args=(work, job, sender, stop, share), name=str(job.workdir), daemon=True
        )
        process.start()
        sender.close()  # the process has the other copy: when it ends, so do the messages
        return cls(job, process, receiver, stop)

    def receive(self) -> Any:
        """The next message; raises if the process died, or met a defect, instead."""
        try:
            message = self.connection.recv()
        except EOFError:
            self.process.join()
            raise SymcereError(
                f"the process of {self.job.workdir} was killed (exit code "
                f"{self.process.exitcode}; out of memory?): the same command goes on from there, "
                "perhaps with fewer --processes"
            ) from None
        if isinstance(message, _Failed):
            raise RuntimeError(f"in the process of {self.job.workdir}:\n{message.traceback}")
        return message

    def close(self) -> None:
        self.process.join()
        self.connection.close()


def _work(work: Work, job: Job, connection: Connection, stop: Event, memory_share: float) -> None:
    """What a process does."""
    # Ctrl-C, and the signals of many schedulers, reach all processes: the first one decides, and
    # tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # JAX takes most of an accelerator's memory when it starts, unless told otherwise.
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{memory_share:.3f}")
    parent = multiprocessing.parent_process()
    assert parent is not None

    def should_stop() -> bool:
        return stop.is_set() or not parent.is_alive()

    message: _Ended | _Failed
    try:
        message = _Ended(work(job, connection.send, should_stop))
    except SymcereError as error:
        message = _Ended(error)
    except Exception:
        message = _Failed(traceback.format_exc())
    connection.send(message)
