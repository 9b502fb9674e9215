"""Checkpoints that are taken up elsewhere: on other devices, by another Python and JAX."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.faults import Bench, Outcome
from tests.faults.programs import ROOT

# What a process restores of a run, as digests.
_DIGEST = """
import json, sys
from pathlib import Path
from symcere_jax.data import ReviewDataset
from tests.faults.programs import digest_run
print(json.dumps(digest_run(Path(sys.argv[1]), ReviewDataset.load(sys.argv[2]))))
"""


def to_other_devices(bench: Bench, counts: Sequence[int], say: Callable[[str], None]) -> Outcome:
    """Trains some epochs on each number of devices in turn, with one run."""
    outcome = Outcome("train", f"devices: {' → '.join(map(str, counts))}")
    # A multiple of no number of devices: 250 becomes 248 on eight, and stays that.
    _move(bench, outcome, [(sys.executable, count) for count in counts], say)
    return outcome


def to_other_pythons(bench: Bench, pythons: Sequence[str], say: Callable[[str], None]) -> Outcome:
    """Trains some epochs by each Python in turn, with one run."""
    versions = [_version(python) for python in pythons]
    outcome = Outcome("train", f"Python, JAX: {' → '.join(versions)}")
    _move(bench, outcome, [(python, 1) for python in pythons], say)
    return outcome


def _move(
    bench: Bench, outcome: Outcome, stages: Sequence[tuple[str, int]], say: Callable[[str], None]
) -> None:
    place = bench.new_folder()
    before: dict[str, str] = {}
    [dataset] = [a.partition("=")[2] for a in bench.program.arguments(place) if "--dataset" in a]
    for number, (python, n_devices) in enumerate(stages):
        if before:
            after = _digest(python, n_devices, place / "run", Path(dataset))
            outcome.times += 1
            outcome.ends["restored, bit for bit" if after == before else "differs"] += 1
            if after != before:
                outcome.lost.append(f"stage {number}")
        more = (f"--epochs={2 * number + 2}", "--batch_size=250", f"--cpu_devices={n_devices}")
        bench.program.finish(place, *more, python=python)
        before = _digest(python, n_devices, place / "run", Path(dataset))
        say(f"{outcome.fault}: stage {number} done")


def _digest(python: str, n_devices: int, workdir: Path, dataset: Path) -> dict[str, str]:
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={n_devices}",
    }
    command = [python, "-c", _DIGEST, str(workdir), str(dataset)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _version(python: str) -> str:
    code = "import sys, jax; print('%d.%d' % sys.version_info[:2], jax.__version__)"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
