"""Training and scoring one seed, as a user would."""

import json
import subprocess
import sys
import time
from pathlib import Path

from symcere_jax.files import write_json

LAUNCH = Path(__file__).resolve().parents[1] / "launch"


def run_seed(seed: int, train_flags: list[str], *, dataset: Path, workdir: Path) -> dict:
    """Trains and evaluates one seed, unless that is done.

    Args:
        seed: of the training.
        train_flags: for launch/train.py.
        dataset: the prepared folder.
        workdir: gets the run, as seed_N.

    Returns:
        The metrics of the test split, and "seconds" that it took.
    """
    folder = workdir / f"seed_{seed}"
    metrics = folder / "metrics_test.json"
    if not metrics.exists():
        where = [f"--dataset={dataset}", f"--workdir={folder}"]
        start = time.monotonic()
        for arguments in (
            ["train.py", *train_flags, *where, f"--seed={seed}"],
            ["evaluate.py", *where, "--split=test"],
        ):
            command = [sys.executable, str(LAUNCH / arguments[0]), *arguments[1:]]
            subprocess.run(command, check=True, stdout=sys.stderr)
        write_json(folder / "seconds.json", time.monotonic() - start)
    scores = json.loads(metrics.read_text())
    scores["seconds"] = json.loads((folder / "seconds.json").read_text())
    return scores
