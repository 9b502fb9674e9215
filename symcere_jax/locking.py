"""One program at a time: locks of folders and files that a program writes."""

import contextlib
import fcntl
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from symcere_jax.errors import BusyError

LOCK = "lock"  # the usual name, in the folder that is locked

_LOG = logging.getLogger(__name__)
_TRIES, _PAUSE = 5, 0.1  # `is_locked` of another program holds a lock for a moment


@contextlib.contextmanager
def locked(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Holds the lock of what is written, for the time of a block.

    The system releases it when the process ends, however it ends: nothing is left to be cleaned up
    by hand. The file says who holds it, and is removed at the end of the block.

    Args:
        path: the file of the lock; its folder is there.
        what: is locked, for the message, such as "--workdir=runs/shop".
        remedy: what to do instead of waiting, such as "choose another --workdir".

    Raises:
        BusyError: another process, or another thread, holds it.
    """
    try:
        file = _acquire(path)
    except BlockingIOError:
        raise BusyError(f"{what} is in use by {_holder(path)}: wait for it, or {remedy}") from None
    except OSError as error:
        # A file system without locks; that it cannot be written will be said where it matters.
        _LOG.warning("%s cannot be locked (%s): see that nothing else writes it", what, error)
        yield
        return
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: nobody holds a lock on what is gone
        os.close(file)


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock of this path."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


def _acquire(path: Path) -> int:
    """The descriptor of the file, locked.

    Raises:
        BlockingIOError: it is held elsewhere.
    """
    tries = 0
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_same(file, path):
                _describe(file)
                return file
        except BlockingIOError:
            tries += 1
            if tries == _TRIES:
                os.close(file)
                raise
            time.sleep(_PAUSE)
        except OSError:
            os.close(file)
            raise
        os.close(file)


def _is_same(file: int, path: Path) -> bool:
    """Whether the path still leads to the file: who held the lock before has removed it."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _describe(file: int) -> None:
    holder = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "program": Path(sys.argv[0]).name,
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    # A full disk is no reason to be without a lock.
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(holder).encode(), 0)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return "process {process} ({program}) on {host} since {since}".format(**holder)
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
