"""Reading the files of a prepared folder, each checked against its entry in the manifest."""

import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.data import schema

# What NumPy raises where it cannot read an array: of a damaged header, of a damaged archive.
NOT_NUMPY = (
    *(OSError, EOFError, ValueError),
    *(SyntaxError, tokenize.TokenError, OverflowError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError),
)
_verified: set[tuple] = set()  # files that this process has read, in the state that they had


def verify(path: Path, entry: Mapping[str, Any] | None) -> None:
    """Refuses a file that has changed since it was written.

    The checksum is computed once as long as the file stays the same, at about a gigabyte a second.

    Raises:
        DataError: the file is missing, not readable, or has another checksum.
    """
    if entry is None:
        raise schema.damaged(f"{path} is not in the manifest")
    try:
        status = path.stat()
        state = (path.absolute(), status.st_ino, status.st_mtime_ns, status.st_size)
        if (*state, entry["sha256"]) in _verified:
            return
        checksum = schema.file_entry(path)["sha256"]
    except FileNotFoundError:
        raise schema.damaged(f"{path} is missing") from None
    except OSError as error:
        raise schema.damaged(f"{path} is not readable ({error})") from None
    if checksum != entry["sha256"]:
        raise schema.damaged(f"{path} is damaged: its checksum is not the one in the manifest")
    _verified.add((*state, checksum))


def check_sizes(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises a `DataError` if a file of the manifest is missing or has another size."""
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            raise schema.damaged(f"{path} is missing")
        if path.stat().st_size != entry["bytes"]:
            raise schema.damaged(
                f"{path} has {path.stat().st_size} bytes, the manifest says {entry['bytes']}"
            )


def load_array(
    path: Path, shape: tuple[int, ...] | None = None, kind: type = np.generic
) -> np.ndarray:
    """Maps a `.npy` file into memory, read-only.

    Args:
        path: the file.
        shape: that it must have; None: any.
        kind: of numbers that it must hold, such as `np.floating`.

    Raises:
        DataError: the file is missing or malformed, or has another shape or type.
    """
    try:
        with np.errstate(over="ignore"):  # of a shape beyond all memory, which is refused
            array = np.lib.format.open_memmap(path, mode="r")  # np.load opens archives
    except FileNotFoundError:
        raise schema.damaged(f"{path} is missing") from None
    except NOT_NUMPY as error:
        raise schema.damaged(f"{path}: not a NumPy file ({error})") from None
    if not np.issubdtype(array.dtype, kind) or shape not in (None, array.shape):
        raise schema.damaged(
            f"{path}: {array.dtype} {array.shape}, expected {kind.__name__} {shape}"
        )
    return array


def load_pairs(path: Path, n_pairs: int, n_users: int, n_items: int) -> np.ndarray:
    """Maps the (user, item) pairs of a split.

    Returns:
        int32 `[n_pairs, 2]`.

    Raises:
        DataError: the array has another type or shape, or a pair is out of range.
    """
    pairs = load_array(path, (n_pairs, 2), np.int32)
    outside = np.flatnonzero(((pairs < 0) | (pairs >= [n_users, n_items])).any(axis=1))
    if len(outside):
        row = outside[0]
        raise schema.damaged(
            f"{path}, row {row}: pair {tuple(pairs[row].tolist())} is out of range for "
            f"{n_users} users and {n_items} items"
        )
    return pairs


def read_table(path: Path, columns: list[str] | None, n_rows: int) -> pa.Table:
    """Reads columns of a Parquet file; None: all columns.

    Raises:
        DataError: the file is not readable, lacks a column, or has not `n_rows` rows.
    """
    try:
        table = pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise schema.damaged(f"{path}: not readable ({error})") from None
    if len(table) != n_rows:
        raise schema.damaged(f"{path}: {len(table)} rows, expected {n_rows}")
    return table


def read_batches(
    path: Path, n_rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Reads columns of a Parquet file, at most `n_rows` rows at a time; None: all columns.

    Raises:
        DataError: the file is not readable.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(n_rows, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise schema.damaged(f"{path}: not readable ({error})") from None
