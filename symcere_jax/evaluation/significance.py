"""Paired tests: does one model serve the same users better than another one?

The values of a user under two models are compared with each other, so that what users differ in by
themselves (some are easy to please) cancels out. A test asks what would change with other users of
the same kind; what would change with other seeds of the training is not part of it.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

_BLOCK_VALUES = 2**16  # resampled values that are held at once: what a cache holds is fastest


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """How a model differs from the reference, over the same users.

    Attributes:
        difference: mean over users of its value minus that of the reference.
        low: lower end of the bootstrap interval of the difference.
        high: upper end.
        p_permutation: two-sided p-value of the sign-flip permutation test.
        p_permutation_holm: the same, corrected for the number of models compared.
        p_wilcoxon: two-sided p-value of the Wilcoxon signed-rank test.
        p_wilcoxon_holm: the same, corrected for the number of models compared.
    """

    difference: float
    low: float
    high: float
    p_permutation: float
    p_permutation_holm: float
    p_wilcoxon: float
    p_wilcoxon_holm: float


def compare_paired(
    values: np.ndarray,
    reference: np.ndarray,
    *,
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> list[PairedTest]:
    """Compares models with a reference, user by user.

    Args:
        values: float `[m, n]`, a row a model and a column a user.
        reference: float `[n]`, the same users under the reference.
        level: share of the bootstrap distribution within the interval.
        n_resamples: of the bootstrap and of the permutation test.
        seed: of both; the same seed gives the same numbers.

    Returns:
        A test a model. Holm's correction is over the m models, for each kind of test by itself.

    Raises:
        ValueError: the shapes do not fit, there are fewer than 2 users, or an option is out of
            range.
    """
    if values.ndim != 2 or values.shape[1:] != reference.shape:
        raise ValueError(f"values {values.shape} and reference {reference.shape} do not fit")
    # Without rounding, means over seeds that are equal but for the order of their sum would count
    # as differences, and equal differences as different ranks.
    differences = np.round(values - reference, 12)
    low, high = bootstrap_interval(differences, level=level, n_resamples=n_resamples, seed=seed)
    permutation = sign_flip_test(differences, n_resamples=n_resamples, seed=seed)
    wilcoxon = np.array([wilcoxon_test(row) for row in differences])
    columns = (
        differences.mean(axis=1),
        low,
        high,
        permutation,
        holm(permutation),
        wilcoxon,
        holm(wilcoxon),
    )
    return [PairedTest(*map(float, row)) for row in zip(*columns, strict=True)]


def standard_error(values: np.ndarray) -> float:
    """Standard error of a mean, `std / sqrt(n)` with n − 1 degrees of freedom; 0 for one value.

    Args:
        values: float `[n]`.
    """
    if len(values) < 2:
        return 0.0
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def seed_std(means: Sequence[float] | np.ndarray) -> float | None:
    """Standard deviation over seeds, with n − 1 degrees of freedom; None for one seed.

    Args:
        means: float `[n_seeds]`, a mean over users each.
    """
    return float(np.std(means, ddof=1)) if len(means) > 1 else None


def bootstrap_interval(
    differences: np.ndarray, *, level: float = 0.95, n_resamples: int = 10_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap interval of the mean over users.

    Each resample draws n users with replacement, the same ones for all rows. Memory does not grow
    with the number of resamples.

    Args:
        differences: float `[m, n]`, a row a comparison and a column a user.
        level: share of the resampled means within the interval.
        n_resamples: number of resamples.
        seed: of the draws.

    Returns:
        float64 `[m]` lower and `[m]` upper ends.

    Raises:
        ValueError: there are fewer than 2 users, or `level` or `n_resamples` is out of range.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}, must be between 0 and 1")
    n_users = _check(differences, n_resamples)
    rng = np.random.default_rng(seed)
    means = []
    for n_rows in _blocks(n_resamples, n_users):
        drawn = rng.integers(n_users, size=(n_rows, n_users))
        drawn += n_users * np.arange(n_rows)[:, None]
        # How often each user was drawn: multinomial, and one product serves all comparisons.
        weights = np.bincount(drawn.ravel(), minlength=n_rows * n_users).astype(np.float64)
        means.append(weights.reshape(n_rows, n_users) @ differences.T / n_users)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(np.concatenate(means), [tail, 1.0 - tail], axis=0)
    return low, high


def sign_flip_test(
    differences: np.ndarray, *, n_resamples: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Two-sided paired permutation test of a mean difference of 0.

    If two models do equally well, a user's difference is as likely to have the other sign. With T
    the sum of the differences and T* that with random signs,

        p = (1 + #{|T*| ≥ |T|}) / (1 + n_resamples),

    which is valid for any number of resamples and never 0.

    Args:
        differences: float `[m, n]`, a row a comparison and a column a user.
        n_resamples: number of random sign patterns, the same ones for all rows.
        seed: of the signs.

    Returns:
        float64 `[m]` p-values.

    Raises:
        ValueError: there are fewer than 2 users, or `n_resamples` is less than 1.

    Source: Phipson and Smyth, Permutation P-values should never be zero, 2010.
    """
    n_users = _check(differences, n_resamples)
    rng = np.random.default_rng(seed)
    sums = differences.sum(axis=1)
    # Sums that are equal but for rounding are ties, and ties count.
    thresholds = np.abs(sums) - 1e-12 * np.abs(differences).sum(axis=1)
    n_extreme = np.zeros(len(differences), np.int64)
    for n_rows in _blocks(n_resamples, n_users):
        kept = rng.integers(2, size=(n_rows, n_users), dtype=np.int8).astype(np.float64)
        flipped = 2.0 * (kept @ differences.T) - sums  # signs are 2 · kept − 1
        n_extreme += (np.abs(flipped) >= thresholds).sum(axis=0)
    return (1 + n_extreme) / (1 + n_resamples)


def wilcoxon_test(differences: np.ndarray) -> float:
    """Two-sided p-value of the Wilcoxon signed-rank test; 1 where no user differs.

    Users without a difference are left out, as in Wilcoxon's own version.

    Args:
        differences: float `[n]`.
    """
    differing = differences[differences != 0.0]  # left in, they would rule out the exact test
    if not len(differing):
        return 1.0
    return float(stats.wilcoxon(differing).pvalue)


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values corrected for their number: the chance of any false discovery stays bounded.

    With the p-values in ascending order, `p'_i = max_{j ≤ i} min(1, (m − j + 1) p_j)`.

    Args:
        p_values: float `[m]`, in any order.

    Returns:
        float64 `[m]`, in the order of `p_values`.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return corrected


def _check(differences: np.ndarray, n_resamples: int) -> int:
    if differences.ndim != 2 or differences.shape[1] < 2:
        raise ValueError(f"differences {differences.shape}: [m, n] of at least 2 users expected")
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}, must be at least 1")
    return differences.shape[1]


def _blocks(n_resamples: int, n_users: int) -> Iterator[int]:
    """Numbers of resamples to draw at once, so that memory is bounded."""
    block = max(1, _BLOCK_VALUES // n_users)
    for start in range(0, n_resamples, block):
        yield min(block, n_resamples - start)
