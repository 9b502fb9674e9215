"""Metrics by bucket: for whom, and on which items, is a model good?"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Positions, ascending, of counts from `low` to `high`: items of similar popularity, say."""

    low: int
    high: int
    members: np.ndarray


def quantile_buckets(counts: np.ndarray, n_buckets: int) -> list[Bucket]:
    """Divides positions into buckets of ascending counts and of about equal numbers of members.

    Each position, of `[n]` counts, is in one bucket. Equal counts stay together, so that there are
    fewer buckets where a count is frequent; none is empty.
    """
    if not len(counts):
        return []
    shares = np.arange(1, n_buckets + 1) / n_buckets
    highs = np.unique(np.quantile(counts, shares, method="inverted_cdf"))
    places = np.searchsorted(highs, counts)
    buckets = []
    for place in range(len(highs)):
        members = np.flatnonzero(places == place)
        within = counts[members]
        buckets.append(Bucket(int(within.min()), int(within.max()), members))
    return buckets


def find_gains(
    recommended: np.ndarray, users: np.ndarray, held_out: np.ndarray, k: int
) -> np.ndarray:
    """What each held-out interaction adds to the DCG@k of its user: `1 / log2(rank + 1)` or 0.

    Args:
        recommended: int32 `[n, k_max]` items, best first, −1 for an empty rank.
        users: int32 `[n]`, the user of each row, ascending.
        held_out: int32 `[n_held_out, 2]` pairs (user, item), each user one of `users`.
        k: number of ranks, at most k_max.
    """
    rows = np.searchsorted(users, held_out[:, 0])
    gains = np.zeros(len(held_out))
    for rank in range(k):  # a rank at a time: memory is O(n_held_out), whatever k
        gains[recommended[rows, rank] == held_out[:, 1]] = 1 / np.log2(rank + 2)
    return gains


def ndcg_by_bucket(
    gains: np.ndarray, users: np.ndarray, buckets: Sequence[Bucket], k: int
) -> list[np.ndarray]:
    """NDCG@k of the held-out items of each bucket, one value per user.

    For user u and bucket b with R_ub > 0 held-out items of u in it:

        ndcg_ub = Σ_{held-out items of u in b} gain / Σ_{r ≤ min(k, R_ub)} 1 / log2(r + 1)

    With a single bucket this is ndcg@k. The gains are those of `find_gains`, or their mean over
    several runs, of the users `[n_held_out]`; the buckets are of their positions. The values of a
    bucket are those of the users, ascending, who have an item in it.
    """
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    return [
        sums / ideal[np.minimum(totals, k) - 1] for sums, totals in _by_user(gains, users, buckets)
    ]


def recall_by_bucket(
    hits: np.ndarray, users: np.ndarray, buckets: Sequence[Bucket]
) -> list[np.ndarray]:
    """Recall of the held-out items of each bucket, one value per user, as `ndcg_by_bucket`.

    The mean of the hits of a user's held-out items in the bucket; with a single bucket, recall@k.
    """
    return [sums / totals for sums, totals in _by_user(hits, users, buckets)]


def _by_user(
    values: np.ndarray, users: np.ndarray, buckets: Sequence[Bucket]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each bucket, each of its users' sum of the values and number of held-out items."""
    for bucket in buckets:
        _, rows, totals = np.unique(users[bucket.members], return_inverse=True, return_counts=True)
        yield np.bincount(rows, weights=values[bucket.members]), totals
