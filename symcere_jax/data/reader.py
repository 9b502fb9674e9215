"""Several processes that read one prepared folder together, and what is wrong with a file.

What the processes exchange is the same in all of them, and so is what they find wrong with it. What
each finds out by itself, they tell each other.
"""

import hashlib
import io
import tokenize
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from symcere_jax.errors import DataError

# What NumPy raises where it cannot read an array; of a damaged header, the last two.
NOT_NUMPY = (
    *(OSError, EOFError, ValueError, SyntaxError, tokenize.TokenError),
    *(OverflowError, RecursionError, MemoryError),
)
_HEADER_BYTES = 1 << 16  # more than NumPy reads

T = TypeVar("T")


class Reader(Protocol):
    """Reads files together with other processes, of which each reads a share from disk.

    A call waits for those of the others: all have to make the same calls in the same order.
    """

    def blocks(self, path: Path) -> Iterator[np.ndarray]:
        """The bytes of a file, uint8 `[n]` at a time, in their order.

        Raises:
            OSError: one of the processes cannot read its share; in all of them.
            DataError: they see files of different sizes.
        """

    def in_all(self, call: Callable[[], T]) -> T:
        """What a function returns that each process calls by itself.

        Raises:
            DataError: it has failed in one of them; in all of them.
        """


def in_all(reader: Reader | None, call: Callable[[], T]) -> T:
    """What a function returns; where it fails in one of the processes, it fails in all.

    Args:
        reader: of several processes; None: there is this one alone.
        call: waits for no other process.

    Raises:
        DataError: it has failed.
    """
    return call() if reader is None else reader.in_all(call)


def checked_blocks(path: Path, entry: Mapping[str, Any], reader: Reader) -> Iterator[np.ndarray]:
    """The bytes of a file; after the last of them its checksum is compared.

    Args:
        path: the file.
        entry: of the file in the manifest.
        reader: of all processes.

    Raises:
        DataError: the file cannot be read, or has another checksum than the manifest says.
    """
    digest = hashlib.sha256()
    try:
        for block in reader.blocks(path):
            digest.update(block.data)
            yield block
    except OSError as error:
        raise unreadable(path, error) from None
    if digest.hexdigest() != entry["sha256"]:
        raise damaged(path)


def load_together(path: Path, entry: Mapping[str, Any], reader: Reader) -> np.ndarray:
    """Reads an array into memory; it is not to be written to.

    Args:
        path: a file in NumPy's format.
        entry: of the file in the manifest.
        reader: of all processes.

    Raises:
        DataError: the file cannot be read, is malformed, or has another checksum than the manifest
            says.
    """
    content, end = np.empty(entry["bytes"], np.uint8), 0
    for block in checked_blocks(path, entry, reader):
        if end + len(block) > len(content):  # it has grown
            raise damaged(path)
        content[end : end + len(block)] = block
        end += len(block)
    content.setflags(write=False)
    try:
        return _array_within(content)
    except NOT_NUMPY as error:
        raise not_numpy(path, error) from None


def _array_within(content: np.ndarray) -> np.ndarray:
    """The array that the bytes of a file hold, not copied; raises one of `NOT_NUMPY`."""
    header = io.BytesIO(content[:_HEADER_BYTES].tobytes())
    version = np.lib.format.read_magic(header)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(header)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(header)
    else:
        raise ValueError(f"its format version is {version}")
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    try:
        with np.errstate(over="ignore"):  # of a shape beyond all memory, which is refused
            order: Literal["C", "F"] = "F" if is_fortran else "C"
            return np.ndarray(shape, dtype, content.data, header.tell(), order=order)
    except TypeError as error:
        raise ValueError(error) from None  # it is cut off


def unreadable(path: Path, error: OSError) -> DataError:
    """That a file of a prepared folder cannot be read."""
    reason = "missing" if isinstance(error, FileNotFoundError) else f"not readable ({error})"
    return DataError(f"{path} is {reason}; prepare the data again")


def damaged(path: Path) -> DataError:
    """That a file of a prepared folder has changed since it was written."""
    return DataError(
        f"{path} is damaged: its checksum is not the one in the manifest; prepare the data again"
    )


def not_numpy(path: Path, error: BaseException) -> DataError:
    """That a file holds no array."""
    return DataError(f"{path}: not a NumPy file ({error}); prepare the data again")
