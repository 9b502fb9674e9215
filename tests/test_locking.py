import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from symcere_jax import locking
from symcere_jax.errors import BusyError
from symcere_jax.locking import is_locked, locked

HOLD = """
import pathlib, sys, time
from symcere_jax.locking import locked
with locked(pathlib.Path(sys.argv[1]), "it", "go away"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_process(tmp_path, request):
    """A process that holds the lock; and the path of the lock."""
    path = tmp_path / "lock"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(request.config.rootpath)])}
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process, path
        process.kill()


def test_the_file_is_there_as_long_as_the_block(tmp_path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    with locked(path, "it", "go away"):
        assert is_locked(path)
        holder = json.loads(path.read_text())
        assert (holder["process"], holder["host"]) == (os.getpid(), socket.gethostname())
    assert not path.exists()
    with pytest.raises(ValueError, match="stop"), locked(path, "it", "go away"):
        raise ValueError("stop")
    assert not path.exists()


def test_another_process_is_refused_and_told_by_whom(other_process):
    process, path = other_process
    assert is_locked(path)
    with pytest.raises(BusyError) as caught, locked(path, "--workdir=x", "choose another"):
        pytest.fail("the lock is not held by the other process")
    assert f"--workdir=x is in use by process {process.pid} (-c) on {socket.gethostname()}" in str(
        caught.value
    )
    assert str(caught.value).endswith(": wait for it, or choose another")
    assert is_locked(path)


def test_the_lock_dies_with_the_process(other_process):
    process, path = other_process
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.exists() and not is_locked(path)
    with locked(path, "it", "go away"):
        assert is_locked(path)
    assert not path.exists()


def test_a_garbled_file_is_no_obstacle(other_process, tmp_path):
    _, path = other_process
    path.write_text("{")
    with pytest.raises(BusyError, match="in use by another process"), locked(path, "it", "go"):
        pass
    free = tmp_path / "free"
    free.write_bytes(b"\xff")
    with locked(free, "it", "go"):
        assert is_locked(free)


def test_a_file_that_its_holder_removed_is_not_taken_for_the_lock(tmp_path, monkeypatch):
    """Between opening and locking, the holder has removed the file, and another made it anew."""
    path = tmp_path / "lock"
    opened = os.open

    def open_late(*arguments):
        file = opened(*arguments)
        monkeypatch.undo()
        path.unlink()
        path.write_text("")
        return file

    monkeypatch.setattr(os, "open", open_late)
    with locked(path, "it", "go"):
        assert is_locked(path)
        with pytest.raises(BusyError), locked(path, "it", "go"):
            pass


def test_who_asks_whether_it_is_locked_does_not_stand_in_the_way(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    path.write_text("")
    asking = os.open(path, os.O_RDWR)
    locking.fcntl.flock(asking, locking.fcntl.LOCK_EX)
    monkeypatch.setattr(locking.time, "sleep", lambda _: os.close(asking))
    with locked(path, "it", "go"):
        assert is_locked(path)


def test_a_file_system_without_locks_warns_and_goes_on(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locking.fcntl, "flock", refuse)
    done = []
    with locked(tmp_path / "lock", "it", "go"):
        done.append(1)
    assert done
    assert "it cannot be locked" in caplog.text
    assert not is_locked(tmp_path / "lock")
