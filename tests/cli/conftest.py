"""What the tests of the binaries share: running one, and a run to look at."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from symcere_jax.data.dataset import ReviewDataset
from tests import binaries
from tests.quick import QUICK

# Little to do, where what is trained matters less than what is done with it.
SMALL_RUN = tuple(f"--{name}={value}" for name, value in QUICK.items() if name != "experts")
# Epochs of several calls, and many of them: time to interrupt a run.
SETTINGS = (
    "--experts=aligned",
    "--patience=60",
    "--steps_per_call=1",
    *SMALL_RUN[1:],
    "--epochs=60",
)


@pytest.fixture(scope="session")
def run_binary() -> Callable[..., binaries.Run]:
    """Runs a binary of `launch` in this process, from the command line to the exit status."""

    def run(name: str, *arguments: object) -> binaries.Run:
        with binaries.loaded(name) as module:
            return binaries.run(module, *arguments)

    return run


@pytest.fixture(scope="session")
def command(request: pytest.FixtureRequest) -> Callable[..., tuple[list[str], dict[str, str]]]:
    """The command line of a binary as a process of its own, and its environment."""
    root = request.config.rootpath

    def of(name: str, *arguments: object) -> tuple[list[str], dict[str, str]]:
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join([str(root), *sys.path]),
        }
        script = root / "launch" / f"{name}.py"
        return [sys.executable, str(script), *map(str, arguments)], environment

    return of


@pytest.fixture(scope="session")
def run_process(
    command: Callable[..., tuple[list[str], dict[str, str]]], request: pytest.FixtureRequest
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a binary of `launch` as a process of its own."""

    def run(name: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        line, environment = command(name, *arguments)
        environment |= variables
        where = request.config.rootpath
        return subprocess.run(line, capture_output=True, text=True, env=environment, cwd=where)

    return run


@pytest.fixture(scope="session")
def small_run() -> tuple[str, ...]:
    """Flags of a run of one epoch."""
    return SMALL_RUN


@pytest.fixture(scope="session")
def trained(
    run_binary: Callable[..., binaries.Run],
    dataset: ReviewDataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[binaries.Run, Path]:
    """A training run without interrupt, and its workdir; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    run = run_binary("train", f"--dataset={dataset.folder}", f"--workdir={workdir}", *SETTINGS)
    assert run.status == 0, run.err
    return run, workdir


@pytest.fixture(scope="session")
def settings_flags() -> tuple[str, ...]:
    """The flags that `trained` was run with."""
    return SETTINGS
