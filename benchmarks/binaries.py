"""Starts binaries of this repository, as a user would, and functions in a new process."""

import json
import multiprocessing
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parents[1]
Result = TypeVar("Result")
_SAMPLED_EVERY = 0.05  # seconds


def environment() -> dict[str, str]:
    """For programs of this repository: they import its library, whatever is installed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}


class Usage(NamedTuple):
    """What a program took: seconds, those of processors, and the most memory, in bytes.

    `own` leaves out the pages of mapped files, which the system drops when it needs the memory; it
    is sampled, on Linux, else 0.
    """

    seconds: float
    cpu_seconds: float
    peak: int
    own: int


def run(script: str, *arguments: object) -> Usage:
    """Runs a binary, such as "launch/train.py"; what it prints goes to stderr."""
    command, start = [sys.executable, str(ROOT / script), *map(str, arguments)], time.monotonic()
    process = subprocess.Popen(command, stdout=sys.stderr, env=environment())
    done, own, memory = 0, 0, Path(f"/proc/{process.pid}/status")
    while not done:
        time.sleep(_SAMPLED_EVERY)
        sizes = re.findall(r"RssAnon:\s*(\d+) kB", memory.read_text() if memory.exists() else "")
        own = max(own, *(1024 * int(size) for size in sizes), 0)
        done, status, used = os.wait4(process.pid, os.WNOHANG)
    if status:
        sys.exit(f"error: {shlex.join(command)} failed")
    seconds = time.monotonic() - start
    return Usage(seconds, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss, own)


def in_own_process(function: Callable[..., Result], *arguments: object) -> Result:
    """Calls a function in a new process, whose memory and devices are its own.

    Flags have no values there.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def train_and_score(run_folder: Path, dataset: Path, *train_flags: str) -> dict[str, float]:
    """Trains and evaluates a model, unless that is done; returns the metrics of the test split."""
    metrics = run_folder / "metrics_test.json"
    if not metrics.exists():
        places = [f"--dataset={dataset}", f"--workdir={run_folder}"]
        run("launch/train.py", *train_flags, *places)
        run("launch/evaluate.py", *places)
    return json.loads(metrics.read_text())
