"""The k-core: the reviews that stay so that every user and every item has at least k."""

from collections.abc import Iterator

import numpy as np

_BLOCK = 1 << 20


def k_core(
    user: np.ndarray, item: np.ndarray, k: int, among: np.ndarray | None = None
) -> np.ndarray:
    """The largest set of rows in which every user and every item occurs at least k times.

    The arrays may lie on disk: memory holds a byte per row and a count per user and item.

    Args:
        user: int `[n]`, not negative.
        item: int `[n]`, not negative.
        k: least number of rows; 1 keeps all.
        among: bool `[n]`, the rows to choose from; None: all.

    Returns:
        bool `[n]`, whether a row stays.
    """
    kept = np.ones(len(user), bool) if among is None else among.copy()
    n_kept, n_before = len(user), -1
    while n_kept != n_before and k > 1:
        per_user, per_item = counts(user, kept), counts(item, kept)
        n_before, n_kept = n_kept, 0
        for rows in blocks(len(user)):
            kept[rows] &= (per_user[user[rows]] >= k) & (per_item[item[rows]] >= k)
            n_kept += int(kept[rows].sum())
    return kept


def largest_core(user: np.ndarray, item: np.ndarray) -> int:
    """The largest k whose k-core of n > 0 rows is not empty, by bisection, as cores are nested."""
    highest = min(counts(user).max(), counts(item).max())
    low, high = 1, 1 + int(highest)
    while high - low > 1:  # the low-core has rows, the high-core has none
        middle = (low + high) // 2
        low, high = (middle, high) if k_core(user, item, middle).any() else (low, middle)
    return low


def counts(
    codes: np.ndarray, kept: np.ndarray | None = None, n_codes: int | None = None
) -> np.ndarray:
    """Number of rows of each code, int64 `[n_codes]`; `kept`, bool `[n]`, are the rows to count."""
    if n_codes is None:
        n_codes = 1 + max((int(codes[rows].max()) for rows in blocks(len(codes))), default=-1)
    total = np.zeros(n_codes, np.int64)
    for rows in blocks(len(codes)):
        block = codes[rows] if kept is None else codes[rows][kept[rows]]
        total += np.bincount(block, minlength=n_codes)
    return total


def blocks(n_rows: int) -> Iterator[slice]:
    """Consecutive slices of at most a million rows."""
    return (slice(start, start + _BLOCK) for start in range(0, n_rows, _BLOCK))
