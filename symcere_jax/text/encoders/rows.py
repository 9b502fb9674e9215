"""Rows of text features and of term counts: on disk, and summed over users or items."""

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike

from symcere_jax.arrays import unit_rows

_BLOCK = 1 << 13


def collect_rows(
    blocks: Iterable[np.ndarray],
    n: int,
    width: int,
    scratch: Path | None,
    name: str,
    dtype: DTypeLike = np.float32,
) -> np.ndarray:
    """Joins blocks of rows.

    Args:
        blocks: float `[…, width]`, n rows in all.
        n: number of rows.
        width: number of columns.
        scratch: folder of a file that is then mapped; None: in memory.
        name: of the file.
        dtype: of the result.

    Returns:
        `[n, width]`.
    """
    if scratch is None:
        return np.concatenate([np.zeros((0, width), np.float32), *blocks]).astype(dtype, copy=False)
    path = scratch / f"{name}.npy"
    # Changed pages of a mapped file stay in memory, so it is written first.
    with path.open("wb") as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (n, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)
    return np.load(path, mmap_mode="r+", allow_pickle=False)


def owner_means(rows: np.ndarray, kept: np.ndarray, owner: np.ndarray, n: int) -> np.ndarray:
    """The mean row of each of n owners (users or items), divided by its norm.

    Args:
        rows: float `[m, width]`.
        kept: bool `[m]`, which rows count.
        owner: int `[m]`, of each row.
        n: number of owners.

    Returns:
        float32 `[n, width]`; 0 for an owner without rows.
    """
    sums = np.zeros((n, rows.shape[1]))
    for start in range(0, len(rows), _BLOCK):
        places = start + np.flatnonzero(kept[start : start + _BLOCK])
        found, which = np.unique(owner[places], return_inverse=True)
        entries = (np.ones(len(places)), (which, np.arange(len(places))))
        ones = scipy.sparse.csr_array(entries, shape=(len(found), len(places)))
        sums[found] += ones @ rows[places].astype(np.float32, copy=False)
    return unit_rows(sums)


def sum_rows(rows: scipy.sparse.csr_matrix, owner: np.ndarray, n: int) -> scipy.sparse.csr_matrix:
    """Sums of m sparse rows over n owners; `owner`, int `[m]`, is that of each row."""
    row_of_value = np.repeat(owner, np.diff(rows.indptr))
    shape = (n, rows.shape[1])
    return scipy.sparse.csr_matrix((rows.data, (row_of_value, rows.indices)), shape=shape)


class StoredRows:
    """Sparse rows in mapped temporary files, which vanish with this object.

    Args:
        blocks: sparse `[…, n_columns]`.
        n_columns: number of columns.
        scratch: folder of the files; None: the one of the system.
    """

    def __init__(
        self, blocks: Iterable[scipy.sparse.csr_matrix], n_columns: int, scratch: Path | None
    ) -> None:
        self._n_columns = n_columns
        ends = [np.zeros(1, np.int64)]
        with (
            tempfile.TemporaryFile(dir=scratch) as values,
            tempfile.TemporaryFile(dir=scratch) as columns,
        ):
            for block in blocks:
                values.write(block.data.astype(np.float32).data)
                columns.write(block.indices.astype(np.int32).data)
                ends.append(ends[-1][-1] + block.indptr[1:])
            self._ends = np.concatenate(ends)
            self._values = _mapped(values, np.float32)
            self._columns = _mapped(columns, np.int32)

    @property
    def matrix(self) -> scipy.sparse.csr_matrix:
        """All rows, float32 `[n, n_columns]`, not copied."""
        arrays = (self._values, self._columns, self._ends)
        return scipy.sparse.csr_matrix(arrays, shape=(len(self._ends) - 1, self._n_columns))

    def take(self, rows: np.ndarray) -> scipy.sparse.csr_matrix:
        """A copy of some rows."""
        starts, lengths = self._ends[rows], self._ends[rows + 1] - self._ends[rows]
        ends = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1])
        arrays = (self._values[places], self._columns[places], ends)
        return scipy.sparse.csr_matrix(arrays, shape=(len(rows), self._n_columns))

    def sums(
        self, rows: np.ndarray, owner: np.ndarray, n: int
    ) -> Iterator[scipy.sparse.csr_matrix]:
        """Yields sums of rows over owners, some owners at a time.

        Args:
            rows: int `[m]`, the rows to sum.
            owner: int `[m]`, of each of them.
            n: number of owners.
        """
        order = np.argsort(owner, kind="stable")
        rows, owner = rows[order], owner[order]
        starts = np.searchsorted(owner, np.arange(n + 1))
        cuts = np.searchsorted(starts, np.arange(0, len(rows) + _BLOCK, _BLOCK))
        for first, stop in itertools.pairwise(np.unique([0, *cuts.clip(max=n), n])):
            block = slice(starts[first], starts[stop])
            yield sum_rows(self.take(rows[block]), owner[block] - first, stop - first)

    def first(self, n: int) -> Iterator[scipy.sparse.csr_matrix]:
        """Yields the first n rows, some at a time."""
        for start in range(0, n, _BLOCK):
            yield self.take(np.arange(start, min(start + _BLOCK, n)))


def _mapped(file: IO[bytes], dtype: type) -> np.ndarray:
    file.flush()
    return np.memmap(file, dtype, "r") if file.tell() else np.zeros(0, dtype)
