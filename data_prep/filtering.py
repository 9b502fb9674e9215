"""Which rows stay: one review a (user, item), and the k-core."""

import numpy as np


def latest_of_pair(user: np.ndarray, item: np.ndarray, timestamp: np.ndarray) -> np.ndarray:
    """Keeps the latest row of each (user, item) pair; among equally late ones the last row.

    Args:
        user: int `[n]`.
        item: int `[n]`.
        timestamp: int64 `[n]`; the lowest int64 stands for a missing one, which counts as earliest.

    Returns:
        int64 `[m]`, the rows that stay, sorted by user, then item.
    """
    order = np.lexsort((timestamp, item, user))  # stable: equal keys stay in row order
    user, item = user[order], item[order]
    is_last = np.ones(len(order), bool)
    is_last[:-1] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    return order[is_last]


def k_core(user: np.ndarray, item: np.ndarray, k: int) -> np.ndarray:
    """The largest set of rows in which every user and every item occurs at least k times.

    Leaving out a user takes rows from items and the other way, so it repeats until nothing changes.

    Args:
        user: int `[n]`, not negative.
        item: int `[n]`, not negative.
        k: least number of rows; 1 keeps all.

    Returns:
        bool `[n]`, whether a row stays.
    """
    rows = np.arange(len(user))
    while len(rows):
        n_of_user, n_of_item = np.bincount(user[rows]), np.bincount(item[rows])
        stays = (n_of_user[user[rows]] >= k) & (n_of_item[item[rows]] >= k)
        if stays.all():
            break
        rows = rows[stays]
    kept = np.zeros(len(user), bool)
    kept[rows] = True
    return kept


def largest_core(user: np.ndarray, item: np.ndarray) -> int:
    """The largest k whose k-core is not empty, found by bisection, as cores are nested.

    Args:
        user: int `[n]`, n > 0.
        item: int `[n]`.
    """
    low, high = 1, 1 + min(np.bincount(user).max(), np.bincount(item).max())
    while high - low > 1:  # the low-core has rows, the high-core has none
        middle = (low + high) // 2
        low, high = (middle, high) if k_core(user, item, middle).any() else (low, middle)
    return int(low)
