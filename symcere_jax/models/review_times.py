"""Neighbors by time: items that were reviewed in the same periods.

B periods hold equally many of the training reviews with a time. k(t) are the shares of a review at
time t in these periods, by a normal kernel. An item with n such reviews has the features

    φ_i = √B ((a/B + Σ_r k(t_r)) / (a + n) − 1/B),

and the columns of a user are, in equal parts, the mean of φ_j over the user's items and the mean of
`√B (k(t_r) − 1/B)` over the user's own reviews. New users and items have no times.
"""

import numpy as np
import scipy.sparse

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.models.item_neighbors import ItemNeighbors

N_PERIODS = 64
_KERNEL_WIDTH = 1.5  # standard deviation, in periods
_PRIOR_REVIEWS = 10.0  # a: of no known time, for each item


def time_neighbors(
    dataset: ReviewDataset, items: Interactions
) -> tuple[ItemNeighbors, np.ndarray] | None:
    """The items by the periods of their reviews, and the columns of the users.

    Args:
        dataset: the prepared folder.
        items: training items of the users.

    Returns:
        The items, and float32 `[n_users, B]`; None where the times of training reviews do not
        differ.

    Raises:
        DataError: the reviews are not readable.
    """
    table = dataset.reviews(["user", "item", "timestamp", "split"])
    table = table.filter((table["split"].to_numpy() == "train") & table["timestamp"].is_valid())
    periods = _periods(table["timestamp"].to_numpy())
    if not len(periods) or periods.min() == periods.max():
        return None
    by_item, n_item = _shares(table["item"].to_numpy(), periods, dataset.n_items)
    by_user, n_user = _shares(table["user"].to_numpy(), periods, dataset.n_users)
    scale = np.float32(np.sqrt(N_PERIODS))
    # Centered, the reviews of no known time vanish from the numerator.
    features = scale * (by_item - n_item / N_PERIODS) / (n_item + _PRIOR_REVIEWS)
    neighbors = ItemNeighbors(features)
    users = neighbors.user_columns(items)
    own = scale * (by_user - n_user / N_PERIODS) / np.maximum(n_user, 1)
    return neighbors, np.where(n_user > 0, (users + own) / 2, users)


def _periods(times: np.ndarray) -> np.ndarray:
    """The period of each time, int64 `[n]`: by the mean rank of its equals."""
    ordered = np.sort(times)
    first, end = (np.searchsorted(ordered, times, side) for side in ("left", "right"))
    shares = (first + end - 1) / (2 * max(len(times) - 1, 1))
    return np.minimum(np.int64(shares * N_PERIODS), N_PERIODS - 1)


def _shares(rows: np.ndarray, periods: np.ndarray, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of k(t) by row, float32 `[n_rows, B]`, and the number of reviews, `[n_rows, 1]`."""
    ones = np.ones(len(rows), np.float32)
    counts = scipy.sparse.csr_array((ones, (rows, periods)), (n_rows, N_PERIODS))
    places = np.arange(N_PERIODS)
    distances = (places[:, None] - places) / _KERNEL_WIDTH
    weights = np.exp(-(distances**2) / 2)
    kernel = weights / weights.sum(axis=1, keepdims=True)
    return counts @ np.asarray(kernel, np.float32), np.asarray(counts.sum(axis=1), np.float32)[
        :, None
    ]
