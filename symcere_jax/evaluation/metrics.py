"""Ranking metrics per user, and metrics of the catalog beyond accuracy."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

PRIMARY_METRIC = "ndcg@10"  # decides between epochs, settings and methods
SHOWN_METRICS = (PRIMARY_METRIC, "recall@10", "ndcg@20", "recall@20")  # in tables that show several
RANKING_METRICS = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map")

# Terms are rounded to multiples of 2⁻⁴⁴: float64 sums of 512 of them are exact, and the same in
# whatever order a device adds, which differs with the number of users.
_STEPS = 2.0**44


def ranking_metrics(
    recommended: jax.Array,
    n_relevant: jax.Array,
    rows: jax.Array,
    relevant: jax.Array,
    ks: Sequence[int],
) -> jax.Array:
    """Accuracy of rankings with binary relevance, for each user and cutoff.

    With `h_r` = 1 if rank r holds a relevant item, else 0, and R relevant items:

        ndcg@k       Σ_{r≤k} h_r / log2(r+1)  over  Σ_{r≤min(k,R)} 1 / log2(r+1)
        recall@k     Σ_{r≤k} h_r / R
        precision@k  Σ_{r≤k} h_r / k, also where fewer than k items could be recommended
        hit_rate@k   1 if a rank ≤ k is a hit
        mrr@k        1 / rank of the first hit, 0 without a hit among k
        map@k        average precision, Σ_{r≤k} h_r · precision@r / min(k, R)

    Jittable, with static cutoffs; to be called within `jax.enable_x64(True)`. Memory is
    O((n + n_pairs) · k_max), whatever the size of the catalog.

    Args:
        recommended: int32 `[n, k_max]` items, best first, −1 for an empty rank.
        n_relevant: int32 `[n]`, R of each user, at least 1.
        rows: int32 `[n_pairs]`, the user, a row of `recommended`, of each relevant item.
        relevant: int32 `[n_pairs]` relevant items. Those beyond the catalog are padding.
        ks: cutoffs, 1 to k_max.

    Returns:
        float64 `[n, n_ks, 6]`, the last axis as `RANKING_METRICS`.

    Raises:
        ValueError: a cutoff is out of range.
    """
    k_max = recommended.shape[1]
    for k in ks:
        if not 1 <= k <= k_max:
            raise ValueError(f"cutoff {k} is out of range for rankings of {k_max} items")
    matches = recommended[rows] == relevant[:, None]
    hits = jnp.zeros(recommended.shape, bool).at[rows].max(matches).astype(jnp.float64)
    cut_offs, ranks = np.array(ks), np.arange(1, k_max + 1)
    within = (ranks[:, None] <= cut_offs).astype(float)
    hits_so_far = jnp.cumsum(hits, axis=1)
    discounts = np.round(_STEPS / np.log2(ranks + 1)) / _STEPS
    precisions = jnp.round(_STEPS * hits * hits_so_far / ranks) / _STEPS
    n_hits = hits @ within
    gains = hits @ (discounts[:, None] * within)
    reciprocal_rank = (hits * (hits_so_far == 1) / ranks) @ within
    n_ideal = jnp.minimum(cut_offs, n_relevant[:, None])
    ideal_gains = jnp.asarray(np.cumsum(discounts))[n_ideal - 1]
    fractions = (
        (gains, ideal_gains),
        (n_hits, n_relevant[:, None]),
        (n_hits, cut_offs),
        (n_hits > 0, 1.0),
        (reciprocal_rank, 1.0),
        (precisions @ within, n_ideal),
    )
    # One division for all: XLA makes one by a column or a constant a product, and 49 / 49 not 1.
    above, below = (
        jnp.stack(jnp.broadcast_arrays(*parts), axis=2) for parts in zip(*fractions, strict=True)
    )
    return above / below


def popularity_metrics(
    recommended: np.ndarray, item_counts: np.ndarray, ks: Sequence[int]
) -> dict[str, np.ndarray]:
    """Mean training interactions of the items recommended to each user, 0 for none: popularity@k.

    Args:
        recommended: int32 `[n, k_max]` items, −1 for an empty rank.
        item_counts: int `[n_items]`, training interactions of each item.
        ks: cutoffs, 1 to k_max.
    """
    filled = recommended >= 0
    sums = np.cumsum(np.where(filled, item_counts[recommended], 0), axis=1)
    n_filled = np.maximum(np.cumsum(filled, axis=1), 1)
    return {f"popularity@{k}": sums[:, k - 1] / n_filled[:, k - 1] for k in ks}


def catalog_metrics(recommended: np.ndarray, n_items: int, ks: Sequence[int]) -> dict[str, float]:
    """How the recommendations to all users, as in `popularity_metrics`, spread over the catalog.

    Returns:
        "coverage@k": share of the catalog that is recommended to anyone;
        "gini@k": Gini coefficient of the items' recommendation counts, from 0, all items equally
        often, to 1 − 1/n_items, always the same one.
    """
    metrics = {}
    for k in ks:
        top = recommended[:, :k]
        counts = np.sort(np.bincount(top[top >= 0], minlength=n_items))
        metrics[f"coverage@{k}"] = float(np.count_nonzero(counts) / n_items)
        weights = 2 * np.arange(1, n_items + 1) - n_items - 1
        metrics[f"gini@{k}"] = float(weights @ counts / (n_items * max(int(counts.sum()), 1)))
    return metrics
