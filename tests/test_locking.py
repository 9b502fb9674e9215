import errno
import os
import signal
import subprocess
import sys

import filelock
import pytest

from symcere_jax.errors import BusyError, StorageError
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
    environment = os.environ | {"PYTHONPATH": str(request.config.rootpath)}
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process, path
        process.kill()


def test_the_file_exists_as_long_as_the_block(tmp_path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    with locked(path, "it", "go away"):
        assert is_locked(path)
        with pytest.raises(BusyError), locked(path, "it", "go away"):
            pass
    assert not path.exists()
    with pytest.raises(ValueError, match="stop"), locked(path, "it", "go away"):
        raise ValueError("stop")
    assert not path.exists()


def test_another_process_is_refused_until_the_first_is_killed(other_process):
    process, path = other_process
    assert is_locked(path)
    refused = r"--workdir=x is in use by .*, or choose another"
    with pytest.raises(BusyError, match=refused), locked(path, "--workdir=x", "choose another"):
        pytest.fail("the other process does not hold the lock")
    assert is_locked(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.exists() and not is_locked(path)
    with locked(path, "it", "go away"):
        assert is_locked(path)
    assert not path.exists()


def _fail(code):
    def acquire(*_, **__):
        raise OSError(code, os.strerror(code))

    return acquire


def test_a_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(filelock.FileLock, "acquire", _fail(errno.ENOTSUP))
    done = []
    with locked(tmp_path / "lock", "--workdir=x", "go"):
        done.append(1)
    [record] = caplog.records
    assert done and "--workdir=x" in record.message
    (tmp_path / "lock").touch()
    assert not is_locked(tmp_path / "lock")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(filelock.FileLock, "acquire", _fail(errno.EROFS))
    with pytest.raises(StorageError, match=r"lock: Read-only"), locked(tmp_path / "lock", "x", "y"):
        pytest.fail("the block must not run")
