"""The k-core: the largest set of reviews in which every user and every item has at least k."""

import numpy as np


def k_core(
    user: np.ndarray, item: np.ndarray, k: int, among: np.ndarray | None = None
) -> np.ndarray:
    """The largest set of rows in which every user and every item occurs at least k times.

    Args:
        user: int `[n]`, not negative.
        item: int `[n]`, not negative.
        k: least number of rows; 1 keeps all.
        among: bool `[n]`, the rows to choose from; None: all.

    Returns:
        bool `[n]`, whether a row stays.
    """
    kept = np.ones(len(user), bool) if among is None else among.copy()
    n_before = -1
    while k > 1 and (n_kept := int(kept.sum())) != n_before:
        n_before = n_kept
        per_user, per_item = np.bincount(user[kept]), np.bincount(item[kept])
        kept[kept] = (per_user[user[kept]] >= k) & (per_item[item[kept]] >= k)
    return kept


def largest_core(user: np.ndarray, item: np.ndarray) -> int:
    """The largest k whose k-core of n > 0 rows is not empty, by bisection, as cores are nested."""
    highest = min(np.bincount(user).max(), np.bincount(item).max())
    low, high = 1, 1 + int(highest)
    while high - low > 1:  # the low-core has rows, the high-core has none
        middle = (low + high) // 2
        low, high = (middle, high) if k_core(user, item, middle).any() else (low, middle)
    return low
