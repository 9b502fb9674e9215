import sys
from pathlib import Path

import pytest

from symcere_jax import hints
from symcere_jax.cli.commands import GROUPS
from symcere_jax.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("launch/train.py", "python data_prep/prepare.py --append --output='my data'"),
        ("symcere train", "symcere prepare --append --output='my data'"),
    ],
)
def test_hints_name_commands_that_exist(monkeypatch, program, expected):
    monkeypatch.setattr(sys, "argv", [program])
    assert hints.command("prepare", "--append", output=Path("my data")) == expected
    root = Path(__file__).parents[1]
    monkeypatch.setattr(sys, "argv", ["x"])
    for names in GROUPS.values():
        for name in names:
            assert (root / hints.command(name).removeprefix("python ")).exists()


def test_in_python_hints_are_calls_and_flags_are_keywords(monkeypatch):
    monkeypatch.setattr(hints, "in_command", False)
    assert hints.command("prepare", "--append") == "sj.prepare(append=True)"
    called = hints.command("train", dataset="DATA", workdir=Path("a--b/run"))
    assert called == "sj.fit(data='DATA', workdir='a--b/run')"
    line = hints.command("evaluate", workdir="run", split="test")
    for message, expected in (
        ("--k_core=3 of a--b/c-x, /x--y: --split=ratio; see --user_field", None),
        (f"score it: {line}, or --overwrite", f"score it: {line}, or overwrite=True"),
        ("name them: --runs=A,B, for example", "name them: runs='A,B', for example"),
        ("--delimiter= (empty)", "delimiter=''"),
    ):
        expected = expected or "k_core=3 of a--b/c-x, /x--y: split='ratio'; see user"
        assert str(ConfigError(message)) == expected
        assert str(DataError(f"{ConfigError(message)}")) == expected
        monkeypatch.setattr(hints, "in_command", True)
        assert str(ConfigError(message)) == message
        monkeypatch.setattr(hints, "in_command", False)
