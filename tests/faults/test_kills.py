"""A few faults of each binary; tests/faults/kills.py injects many."""

import signal

import pytest

from tests.faults import faults
from tests.faults.faults import Bench
from tests.faults.programs import programs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def made(folder):
    return programs(folder / "given")


@pytest.mark.parametrize(
    ("name", "times"), [("prepare", 1), ("encode", 1), ("train", 2), ("recommend", 1)]
)
def test_a_binary_that_is_killed_ends_with_the_same_result(made, folder, name, times):
    bench = Bench.of(made[name], folder, twice=False)
    outcome = faults.signals(bench, signal.SIGKILL, times, print)
    assert (outcome.times, outcome.lost) == (times, [])
