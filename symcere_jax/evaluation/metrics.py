"""Ranking metrics, a value a user, and what a catalogue's owner looks at besides accuracy."""

from collections.abc import Sequence

import numpy as np

from symcere_jax.data.interactions import Interactions

PRIMARY_METRIC = "ndcg@10"  # decides on epochs, on settings and between methods
SHOWN_METRICS = (PRIMARY_METRIC, "recall@10", "ndcg@20", "recall@20")  # in tables that show several


def find_hits(recommended: np.ndarray, users: np.ndarray, relevant: Interactions) -> np.ndarray:
    """Which recommended items are relevant to their user.

    Args:
        recommended: int32 `[n, k]` items, −1 for an empty rank.
        users: int `[n]`, the user of each row.
        relevant: each user's relevant (held-out) items.

    Returns:
        bool `[n, k]`.
    """
    rows, items = relevant.flat(users)
    stride = 1 + max(int(recommended.max(initial=0)), int(items.max(initial=0)))
    wanted = rows * stride + items  # ascending, as `flat` is
    keys = np.arange(len(users))[:, None] * stride + recommended
    places = np.minimum(np.searchsorted(wanted, keys), max(len(wanted) - 1, 0))
    if not len(wanted):
        return np.zeros(recommended.shape, bool)
    return (wanted[places] == keys) & (recommended >= 0)


def ranking_metrics(
    hits: np.ndarray, n_relevant: np.ndarray, ks: Sequence[int]
) -> dict[str, np.ndarray]:
    """Accuracy of rankings with binary relevance, for each user and cut-off.

    With `h_r` = 1 if rank r holds a relevant item, else 0, and R relevant items:

        ndcg@k       Σ_{r≤k} h_r / log2(r+1)  over  Σ_{r≤min(k,R)} 1 / log2(r+1)
        recall@k     Σ_{r≤k} h_r / R
        precision@k  Σ_{r≤k} h_r / k, also where fewer than k items could be recommended
        hit_rate@k   1 if a rank ≤ k is a hit
        mrr@k        1 / rank of the first hit, 0 without a hit among k
        map@k        average precision, Σ_{r≤k} h_r · precision@r / min(k, R)

    Args:
        hits: bool `[n, k_max]`, whether each rank, best first, holds a relevant item.
        n_relevant: int `[n]`, R of each user, at least 1.
        ks: cut-offs, 1 to k_max.

    Returns:
        "metric@k" -> float64 `[n]`.

    Raises:
        ValueError: a cut-off is out of range, or a user has no relevant item.
    """
    n_users, k_max = hits.shape
    _check_cut_offs(ks, k_max)
    if n_users and n_relevant.min() < 1:
        raise ValueError("a user has no relevant item: only users with one can be evaluated")
    ranks = np.arange(1, k_max + 1)
    discounts = 1.0 / np.log2(ranks + 1.0)
    gains = np.cumsum(hits * discounts, axis=1)
    ideal_gains = np.cumsum(discounts)
    n_hits = np.cumsum(hits, axis=1)
    precision_sums = np.cumsum(hits * n_hits / ranks, axis=1)
    first_hit = np.where(n_hits[:, -1] > 0, 1 + hits.argmax(axis=1), np.inf)
    metrics = {}
    for k in ks:
        n_ideal = np.minimum(k, n_relevant)
        metrics[f"ndcg@{k}"] = gains[:, k - 1] / ideal_gains[n_ideal - 1]
        metrics[f"recall@{k}"] = n_hits[:, k - 1] / n_relevant
        metrics[f"precision@{k}"] = n_hits[:, k - 1] / k
        metrics[f"hit_rate@{k}"] = (n_hits[:, k - 1] > 0).astype(np.float64)
        metrics[f"mrr@{k}"] = np.where(first_hit <= k, 1.0 / first_hit, 0.0)
        metrics[f"map@{k}"] = precision_sums[:, k - 1] / n_ideal
    return metrics


def popularity_metrics(
    recommended: np.ndarray, item_counts: np.ndarray, ks: Sequence[int]
) -> dict[str, np.ndarray]:
    """How popular the items recommended to each user are.

    Args:
        recommended: int32 `[n, k_max]` items, −1 for an empty rank.
        item_counts: int `[n_items]`, training interactions of each item.
        ks: cut-offs, 1 to k_max.

    Returns:
        "popularity@k" -> float64 `[n]`: mean training interactions of the items that the user is
        recommended, 0 where there are none.
    """
    _check_cut_offs(ks, recommended.shape[1])
    filled = recommended >= 0
    sums = np.cumsum(np.where(filled, item_counts[recommended], 0), axis=1)
    n_filled = np.maximum(np.cumsum(filled, axis=1), 1)
    return {f"popularity@{k}": sums[:, k - 1] / n_filled[:, k - 1] for k in ks}


def catalog_metrics(recommended: np.ndarray, n_items: int, ks: Sequence[int]) -> dict[str, float]:
    """How the recommendations to all users together spread over the catalogue.

    Args:
        recommended: int32 `[n, k_max]` items, −1 for an empty rank.
        n_items: size of the catalogue.
        ks: cut-offs, 1 to k_max.

    Returns:
        "coverage@k": share of the catalogue that is recommended to anyone;
        "gini@k": Gini coefficient of the items' recommendation counts, from 0, all items equally
        often, to 1 − 1/n_items, always the same one.
    """
    _check_cut_offs(ks, recommended.shape[1])
    metrics = {}
    for k in ks:
        top = recommended[:, :k]
        counts = np.sort(np.bincount(top[top >= 0], minlength=n_items))
        metrics[f"coverage@{k}"] = float(np.count_nonzero(counts) / n_items)
        weights = 2 * np.arange(1, n_items + 1) - n_items - 1
        metrics[f"gini@{k}"] = float(weights @ counts / (n_items * max(int(counts.sum()), 1)))
    return metrics


def _check_cut_offs(ks: Sequence[int], k_max: int) -> None:
    for k in ks:
        if not 1 <= k <= k_max:
            raise ValueError(f"cut-off {k} is out of range for rankings of {k_max} items")
