"""Does the length of an embedding encode how popular the item is?"""

import numpy as np
from scipy import stats

EQUAL_NORMS = 1e-4  # relative spread below which norms differ by rounding alone


def norm_popularity_correlation(embeddings: np.ndarray, counts: np.ndarray) -> float:
    """Spearman's rank correlation of the L2 norm of item embeddings with item popularity.

    Args:
        embeddings: float `[n_items, d]`.
        counts: `[n_items]`, training interactions of each item.

    Returns:
        From −1 to 1; NaN where all norms, or all counts, are equal.

    Raises:
        ValueError: the lengths differ.
    """
    if len(embeddings) != len(counts):
        raise ValueError(f"{len(embeddings)} embeddings and {len(counts)} counts")
    norms = np.linalg.norm(np.asarray(embeddings, np.float64), axis=1)
    if np.ptp(norms) <= EQUAL_NORMS * norms.max() or np.ptp(counts) == 0:
        return float("nan")
    return float(stats.spearmanr(norms, counts).statistic)
