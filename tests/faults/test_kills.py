"""A kill of each command that works for long; tests/faults/kills.py injects many faults."""

import signal

import pytest

from tests.faults import faults
from tests.faults.programs import programs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return programs(tmp_path_factory.mktemp("faults"), experts="aligned,neighbors", epochs=2)


@pytest.mark.parametrize("name", ["prepare", "encode", "train", "recommend"])
def test_a_command_that_is_killed_ends_with_the_same_result(made, name):
    outcome = faults.signals(made[name], signal.SIGKILL, 1, print)
    assert (outcome.times, outcome.lost) == (1, [])
