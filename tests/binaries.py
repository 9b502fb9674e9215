"""Runs a binary in this process, from the command line to the exit status."""

import contextlib
import dataclasses
import importlib
import io
import signal
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from absl import flags
from absl.testing import flagsaver

from symcere_jax import hints
from symcere_jax.cli import startup
from symcere_jax.cli.commands import module_of


@dataclasses.dataclass(frozen=True)
class Run:
    """How a binary ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error: one line, and the last one."""
        lines = self.err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        assert errors == lines[-1:], self.err
        assert "Traceback" not in self.err
        return errors[0].removeprefix("error: ")


@contextlib.contextmanager
def loaded(name: str) -> Iterator[ModuleType]:
    """A binary as a module, for a while: the flags of two of them clash in one process."""
    module = importlib.import_module(module_of(name))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield module
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        # These define their flags as they are imported.
        shared = ("symcere_jax.cli.experiments", "symcere_jax.cli.model_flags")
        for owner in (module.__name__, "symcere_jax.cli.field_flags", *shared):
            for flag in flags.FLAGS.get_flags_for_module(owner):
                delattr(flags.FLAGS, flag.name)
        del sys.modules[module.__name__]
        for name in shared:
            sys.modules.pop(name, None)
            vars(sys.modules["symcere_jax.cli"]).pop(name.rpartition(".")[2], None)


def run(module: ModuleType, *arguments: object) -> Run:
    """Runs a loaded binary."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.MonkeyPatch.context() as patch,
        flagsaver.flagsaver(),
    ):
        name = module.__name__.rpartition(".")[2]
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        patch.setattr(sys.modules["__main__"], "__doc__", None)
        patch.setattr(hints, "in_command", hints.in_command)  # is restored
        try:
            startup.run(module.main)
        except SystemExit as end:
            status = end.code or 0
    return Run(status, out.getvalue(), err.getvalue())
