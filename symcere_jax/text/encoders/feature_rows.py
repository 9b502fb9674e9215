"""Rows of text features: collected block by block, averaged over users or items."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.sparse

from symcere_jax.arrays import unit_rows

_BLOCK = 1 << 14


def collect_rows(parts: Iterable[np.ndarray], n: int, width: int, path: Path | None) -> np.ndarray:
    """Joins blocks of rows, in a file that is then mapped, or in memory.

    Args:
        parts: consecutive float32 `[m, width]`.
        n: rows in all.
        width: of a row.
        path: the file, in NumPy's format; None: in memory.

    Returns:
        float32 `[n, width]`.
    """
    if path is None:
        return np.concatenate([np.zeros((0, width), np.float32), *parts])
    # Written rather than mapped: pages that are mapped and changed stay in memory.
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, np.float32).data)
    return np.load(path, mmap_mode="r+", allow_pickle=False)


def owner_means(rows: np.ndarray, kept: np.ndarray, owner: np.ndarray, n: int) -> np.ndarray:
    """The mean row of each user or item, divided by its norm.

    Args:
        rows: float32 `[m, width]`, one for each review.
        kept: bool `[m]`, the reviews that count.
        owner: int `[m]`, the user or item of each review.
        n: number of users or items.

    Returns:
        float32 `[n, width]`, rows of norm 1; 0 without any row that counts.
    """
    sums = np.zeros((n, rows.shape[1]))
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        places = np.flatnonzero(kept[block])
        ones = np.ones(len(places), np.float32)
        shape = (n, len(kept[block]))
        which = scipy.sparse.csr_matrix((ones, (owner[block][places], places)), shape=shape)
        owners = np.flatnonzero(np.diff(which.indptr))
        sums[owners] += which[owners] @ rows[block].astype(np.float64)
    return unit_rows(sums)
