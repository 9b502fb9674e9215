"""Several processes that train one model, through `jax.distributed`.

Every process takes the same decisions at the same step: what one alone can know (its clock, a
signal, a score to the last bit) is agreed upon. The first process alone writes the workdir.
"""

import errno
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from symcere_jax.errors import DataError, SymcereError

BLOCK_BYTES = 8 << 20  # of a file, read and exchanged at once by each process
_WORDS_BYTES = 4096  # of the message of an error, at most

T = TypeVar("T")


def is_first() -> bool:
    """Whether this process writes what the run leaves."""
    return jax.process_index() == 0


def of_first(value: float) -> float:
    """The value that the first process has."""
    if jax.process_count() == 1:
        return value
    words = np.array([value]).view(np.uint32)  # JAX would round a float64
    return float(np.asarray(multihost_utils.broadcast_one_to_all(words)).view(np.float64)[0])


def anywhere(flag: bool) -> bool:
    """Whether a flag is set in any process."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.array(flag)).any())


def in_all(call: Callable[[], T], kind: type[SymcereError] = SymcereError) -> T:
    """What a function returns that each process calls by itself.

    What is wrong in one is an error in all: none is left waiting for it.

    Args:
        call: does nothing that waits for other processes.
        kind: of the error in the others.

    Raises:
        SymcereError: of that kind, where it has raised an exception in another process.
        Exception: that itself, in the process that raised it.
    """
    said, failure = b"", None
    try:
        found = call()
    except Exception as error:
        is_told = isinstance(error, SymcereError | OSError) and str(error)
        words = str(error) if is_told else repr(error)  # never empty: that would be no error
        said, failure = words.encode(errors="replace")[:_WORDS_BYTES], error
    padded = np.frombuffer(said.ljust(_WORDS_BYTES, b"\0"), np.uint8)
    heard = multihost_utils.process_allgather(padded)
    if failure is not None:
        raise failure
    for number, row in enumerate(heard):
        if row.any():
            words = row.tobytes().rstrip(b"\0").decode(errors="replace")
            raise kind(f"process {number}: {words}")
    return found


def by_first(call: Callable[[], object]) -> None:
    """Has the first process alone do something, for which the others wait.

    Raises:
        SymcereError: it went wrong; in the first process itself the exception that it raised.
    """
    if jax.process_count() == 1:
        call()
    else:
        in_all(call if is_first() else lambda: None)


def first_then_others(call: Callable[[], T]) -> T:
    """What a function returns that the first process calls, and then the others.

    Raises:
        SymcereError: it went wrong in another process; in that one the exception that it raised.
    """
    if jax.process_count() == 1:
        return call()
    for mine in (is_first(), not is_first()):
        if mine:
            found = in_all(call)
        else:
            in_all(lambda: None)
    return found


class SharedReader:
    """Reads files that all processes see: each its share, and the shares are exchanged.

    A file is taken in blocks; process p of P reads those with the numbers p, P + p, 2P + p, …

    Args:
        block_bytes: of a block; while blocks are exchanged, each device holds one of each process.
    """

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self._block_bytes = block_bytes

    def blocks(self, path: Path) -> Iterator[np.ndarray]:
        """The bytes of a file.

        Args:
            path: the file.

        Yields:
            uint8 `[block_bytes]`, of the last block what there is; the same in every process.

        Raises:
            OSError: a process cannot read its share; in all of them.
            DataError: the processes see files of different sizes.
        """
        found = _exchange(path, 8, lambda: np.array([path.stat().st_size]).view(np.uint8))
        size, *others = sorted(set(found.copy().view(np.int64)[:, 0].tolist()))
        if others:
            raise DataError(
                f"{path} has {size} bytes for one process and {others[-1]} for another: give all "
                "of them the same folder"
            )
        n_bytes = self._block_bytes
        for start in range(0, size, n_bytes * jax.process_count()):
            mine = start + n_bytes * jax.process_index()
            read = functools.partial(_read, path, mine, min(n_bytes, max(size - mine, 0)))
            # Always of one shape, for which the exchange is compiled once.
            for number, block in enumerate(_exchange(path, n_bytes, read)):
                left = size - start - n_bytes * number
                if left > 0:
                    yield block[:left]

    def in_all(self, call: Callable[[], T]) -> T:
        """What a function returns that each process calls by itself.

        Args:
            call: does nothing that waits for other processes.

        Raises:
            DataError: it has raised an exception in another process.
            Exception: that itself, in the process that raised it.
        """
        return in_all(call, DataError)


def _exchange(path: Path, n_bytes: int, read: Callable[[], np.ndarray]) -> np.ndarray:
    """What every process has read of a file.

    Args:
        path: the file.
        n_bytes: that a process reads, at most.
        read: gives them, uint8 `[at most n_bytes]`.

    Returns:
        uint8 `[process_count, n_bytes]`, filled up with zeros.

    Raises:
        OSError: one of them could not.
    """
    sent = np.zeros(n_bytes + 1, np.uint8)  # the last one is the number of an error
    try:
        found = read()
        sent[: len(found)] = found
    except OSError as error:
        sent[-1] = min(error.errno or errno.EIO, 255)
    received = multihost_utils.process_allgather(sent)
    if code := int(received[:, -1].max()):
        raise OSError(code, os.strerror(code), str(path))
    return received[:, :-1]


def _read(path: Path, start: int, n_bytes: int) -> np.ndarray:
    """Some bytes of a file, and no more, uint8 `[n_bytes]`."""
    content = np.empty(n_bytes, np.uint8)
    if not n_bytes:
        return content
    with path.open("rb", buffering=0) as file:  # a buffer would be filled beyond them
        file.seek(start)
        end = 0
        while end < n_bytes:
            read = file.readinto(content[end:].data)
            if not read:
                raise OSError(errno.EIO, "the file has become shorter", str(path))
            end += read
    return content
