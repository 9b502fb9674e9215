"""What the tests of the binaries share: running one, and a run to look at."""

import contextlib
import dataclasses
import importlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from absl import flags
from absl.testing import flagsaver

from symcere_jax.cli import app as cli
from symcere_jax.cli.commands import module_of
from symcere_jax.data.dataset import ReviewDataset

# Little to compile. Epochs of several calls, and many of them: time to interrupt a run.
SETTINGS = (
    "--epochs=60",
    "--patience=60",
    "--batch_size=256",
    "--steps_per_call=1",
    "--embedding_dim=8",
    "--n_layers=1",
    "--propagation=segment",
    "--cross_modal_weight=0",
    "--user_ranking_weight=0",
)


# Little to do, where what is trained matters less than what is done with it.
SMALL_RUN = (
    "--epochs=1",
    "--embedding_dim=8",
    "--n_layers=1",
    "--batch_size=256",
    "--propagation=segment",
    "--cross_modal_weight=0.0",
    "--user_ranking_weight=0.0",
)


@dataclasses.dataclass(frozen=True)
class Run:
    """How a binary ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error, all of which must be one line."""
        [line] = self.err.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")


@contextlib.contextmanager
def _loaded(name: str) -> Iterator[ModuleType]:
    """A binary as a module, for a while: the flags of two of them clash in one process."""
    module = importlib.import_module(module_of(name))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield module
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for owner in (module.__name__, "symcere_jax.cli.field_flags"):
            for flag in flags.FLAGS.get_flags_for_module(owner):
                delattr(flags.FLAGS, flag.name)
        del sys.modules[module.__name__]


@pytest.fixture(scope="session")
def load_binary() -> Callable[[str], contextlib.AbstractContextManager[ModuleType]]:
    """Imports a binary of `launch` as a module, for the time of a `with` block."""
    return _loaded


@pytest.fixture(scope="session")
def run_binary() -> Callable[..., Run]:
    """Runs a binary of `launch` in this process, from the command line to the exit status."""

    def run(name: str, *arguments: object) -> Run:
        out, err, status = io.StringIO(), io.StringIO(), 0
        with (
            _loaded(name) as module,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.MonkeyPatch.context() as patch,
            flagsaver.flagsaver(),
        ):
            patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
            patch.setattr(sys.modules["__main__"], "__doc__", None)
            try:
                cli.run(module.main)
            except SystemExit as end:
                status = end.code or 0
        return Run(status, out.getvalue(), err.getvalue())

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

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        line, environment = command(name, *arguments)
        where = request.config.rootpath
        return subprocess.run(line, capture_output=True, text=True, env=environment, cwd=where)

    return run


@pytest.fixture(scope="session")
def small_run() -> tuple[str, ...]:
    """Flags of a run of one epoch."""
    return SMALL_RUN


@pytest.fixture(scope="session")
def trained(
    run_binary: Callable[..., Run],
    dataset: ReviewDataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Run, Path]:
    """A training run without interrupt, and its workdir; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    run = run_binary("train", f"--dataset={dataset.folder}", f"--workdir={workdir}", *SETTINGS)
    assert run.status == 0, run.err
    return run, workdir


@pytest.fixture(scope="session")
def settings_flags() -> tuple[str, ...]:
    """The flags that `trained` was run with."""
    return SETTINGS
