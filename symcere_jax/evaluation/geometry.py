"""Geometry of embeddings: alignment and uniformity on the unit sphere, norms and popularity."""

import numpy as np

from symcere_jax.arrays import unit_rows

SAMPLE = 2048
EQUAL_NORMS = 1e-4  # relative spread below which norms differ by rounding alone


def alignment(users: np.ndarray, items: np.ndarray) -> float:
    """`mean ‖x̂ − ŷ‖²` with `x̂ = x / ‖x‖`: how near interacting users and items are to each other.

    0 is the best, 2 that of random directions. The user and the item of a row `[n, d]` interacted;
    no rows give NaN. Source: T. Wang, P. Isola, "Understanding Contrastive Representation Learning
    through Alignment and Uniformity on the Hypersphere", ICML 2020.
    """
    if not len(users):
        return float("nan")
    differences = unit_rows(users, np.float64) - unit_rows(items, np.float64)
    return float((differences**2).sum(axis=1).mean())


def uniformity(embeddings: np.ndarray) -> float:
    """`log mean_{i≠j} exp(−2 ‖x̂_i − x̂_j‖²)`: how evenly embeddings spread over the unit sphere.

    From −8 to 0, which is all in one place; NaN for fewer than two rows. Memory is O(n²).
    """
    n = len(embeddings)
    if n < 2:
        return float("nan")
    unit = unit_rows(embeddings, np.float64)
    # Of unit vectors ‖x − y‖² is 2 − 2 x·y; a row of zeros has no direction and counts by its own.
    squares = (unit**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * (unit @ unit.T)
    weights = np.exp(-2 * distances)
    return float(np.log((weights.sum() - np.trace(weights)) / (n * (n - 1))))


def alignment_and_uniformity(
    users: np.ndarray, items: np.ndarray, interactions: np.ndarray
) -> dict[str, float]:
    """The measures alignment, uniformity_users and uniformity_items, without undefined ones.

    Of at most `SAMPLE` pairs, users and items, at even distances.

    Args:
        users: float `[n_users, d]`.
        items: float `[n_items, d]`.
        interactions: int `[n, 2]` training pairs (user, item).
    """
    pairs = _sample(interactions)
    measures = {
        "alignment": alignment(users[pairs[:, 0]], items[pairs[:, 1]]),
        "uniformity_users": uniformity(_sample(users)),
        "uniformity_items": uniformity(_sample(items)),
    }
    return {name: value for name, value in measures.items() if not np.isnan(value)}


def _sample(rows: np.ndarray) -> np.ndarray:
    spaced = np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64)
    return rows[np.unique(spaced)]


def norm_popularity_correlation(embeddings: np.ndarray, counts: np.ndarray) -> float:
    """Spearman's rank correlation of the norms of item embeddings with training interactions.

    NaN where all norms, or all counts, are equal.
    """
    norms = np.linalg.norm(np.asarray(embeddings, np.float64), axis=1)
    if np.ptp(norms) <= EQUAL_NORMS * norms.max() or np.ptp(counts) == 0:
        return float("nan")
    from scipy import stats  # slow to import

    return float(stats.spearmanr(norms, counts).statistic)
