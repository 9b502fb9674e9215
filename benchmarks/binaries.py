"""Starts the binaries of this repository, as a user would, and benchmarks once more."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symcere_jax.files import write_json

ROOT = Path(__file__).resolve().parents[1]


def environment() -> dict[str, str]:
    """For programs of this repository: they import its library, whatever is installed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}


def run(script: str, *arguments: object) -> None:
    """Runs a binary, such as "launch/train.py"; what it prints goes to stderr."""
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    subprocess.run(command, check=True, stdout=sys.stderr, env=environment())


def run_again(*arguments: str, env: Mapping[str, str] | None = None) -> Any:
    """Runs this program in a process of its own, with further flags.

    Returns:
        The JSON of the last line that it prints. Where it fails, this one ends too.
    """
    command = [sys.executable, *sys.orig_argv[1:], *arguments]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, env=env)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout.splitlines()[-1])


def train_and_score(run_folder: Path, dataset: Path, *train_flags: str) -> dict[str, float]:
    """Trains and evaluates a model, unless that is done.

    Returns:
        The metrics of the test split, and the "seconds" that both took.
    """
    metrics, seconds = run_folder / "metrics_test.json", run_folder / "seconds.json"
    if not metrics.exists():
        places = [f"--dataset={dataset}", f"--workdir={run_folder}"]
        start = time.monotonic()
        run("launch/train.py", *train_flags, *places)
        run("launch/evaluate.py", *places)
        write_json(seconds, time.monotonic() - start)
    return json.loads(metrics.read_text()) | {"seconds": json.loads(seconds.read_text())}
