"""Starts the binaries of this repository, as a user would."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from symcere_jax.files import write_json

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, *arguments: object) -> None:
    """Runs a binary, such as "launch/train.py"; what it prints goes to stderr."""
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    subprocess.run(command, check=True, stdout=sys.stderr, env=environment())


def environment() -> dict[str, str]:
    """For programs of this repository: they import its library, whatever is installed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}


def train_and_score(
    workdir: Path, dataset: Path, *train_flags: str, split: str = "test"
) -> dict[str, float]:
    """Trains and evaluates a model, unless that is done.

    Args:
        workdir: of the run.
        dataset: the prepared folder.
        *train_flags: for launch/train.py.
        split: to score.

    Returns:
        The metrics of the split, and the "seconds" that both took.
    """
    metrics, seconds = workdir / f"metrics_{split}.json", workdir / "seconds.json"
    if not metrics.exists():
        places = [f"--dataset={dataset}", f"--workdir={workdir}"]
        start = time.monotonic()
        run("launch/train.py", *train_flags, *places)
        run("launch/evaluate.py", *places, f"--split={split}")
        write_json(seconds, time.monotonic() - start)
    return json.loads(metrics.read_text()) | {"seconds": json.loads(seconds.read_text())}
