"""One program at a time: locks on what a program writes."""

import contextlib
import errno
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from symcere_jax.errors import BusyError, StorageError

LOCK = "lock"  # the usual name, in the folder that is locked

_LOG = logging.getLogger(__name__)
_SECONDS = 0.5  # to acquire a lock: `is_locked` of another program holds it for a moment
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)  # of some network file systems


@contextlib.contextmanager
def locked(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Holds a lock for the time of a block; the system releases it if the process dies.

    Args:
        path: file of the lock, removed at the end of the block; its folder exists.
        what: is locked, for messages, such as "--workdir=runs/shop".
        remedy: what to do instead of waiting, such as "choose another --workdir".

    Raises:
        BusyError: another process, or another thread, holds the lock.
        StorageError: the file cannot be written.
    """
    lock = FileLock(path, timeout=_SECONDS, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"{what} is in use by another process: wait for it, or {remedy}") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise StorageError(f"cannot write {path}: {error.strerror}; {remedy}") from None
        _LOG.warning("%s: the file system has no locks; run one program at a time", what)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is held: filelock gives nobody the lock of a deleted file
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of this path."""
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError:
        return False
