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


@pytest.mark.parametrize("name", ["prepare", "encode", "train", "recommend"])
def test_a_binary_that_is_killed_twice_ends_with_the_same_result(made, folder, name):
    bench = Bench.of(made[name], folder, twice=False)
    outcome = faults.signals(bench, signal.SIGKILL, 2, print)
    assert (outcome.times, outcome.lost) == (2, [])
