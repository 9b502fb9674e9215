"""The k-core: which reviews stay so that every user and every item has at least k."""

from collections.abc import Iterator

import numpy as np

_BLOCK = 1 << 20


def k_core(user: np.ndarray, item: np.ndarray, k: int) -> np.ndarray:
    """The largest set of rows in which every user and every item occurs at least k times.

    Leaving out a user takes rows from items and the other way, so it repeats until nothing changes.
    The arrays may lie on disk: they are gone through in blocks, and memory holds a byte a row and
    a count a user and item.

    Args:
        user: int `[n]`, not negative.
        item: int `[n]`, not negative.
        k: least number of rows; 1 keeps all.

    Returns:
        bool `[n]`, whether a row stays.
    """
    kept = np.ones(len(user), bool)
    n_kept, n_before = len(user), -1
    while n_kept != n_before and k > 1:
        n_of_user, n_of_item = counts(user, kept), counts(item, kept)
        n_before, n_kept = n_kept, 0
        for rows in _blocks(len(user)):
            kept[rows] &= (n_of_user[user[rows]] >= k) & (n_of_item[item[rows]] >= k)
            n_kept += int(kept[rows].sum())
    return kept


def largest_core(user: np.ndarray, item: np.ndarray) -> int:
    """The largest k whose k-core is not empty, found by bisection, as cores are nested.

    Args:
        user: int `[n]`, n > 0.
        item: int `[n]`.
    """
    everything = np.ones(len(user), bool)
    highest = min(counts(user, everything).max(), counts(item, everything).max())
    low, high = 1, 1 + int(highest)
    while high - low > 1:  # the low-core has rows, the high-core has none
        middle = (low + high) // 2
        low, high = (middle, high) if k_core(user, item, middle).any() else (low, middle)
    return low


def counts(codes: np.ndarray, kept: np.ndarray, n_codes: int | None = None) -> np.ndarray:
    """Number of kept rows of each code.

    Args:
        codes: int `[n]`, not negative.
        kept: bool `[n]`.
        n_codes: number of codes; None: up to the largest.

    Returns:
        int64 `[n_codes]`.
    """
    if n_codes is None:
        n_codes = 1 + max((int(codes[rows].max()) for rows in _blocks(len(codes))), default=-1)
    total = np.zeros(n_codes, np.int64)
    for rows in _blocks(len(codes)):
        total += np.bincount(codes[rows][kept[rows]], minlength=n_codes)
    return total


def _blocks(n_rows: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n_rows, _BLOCK))
