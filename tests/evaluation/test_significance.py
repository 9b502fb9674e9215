import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from symcere_jax.evaluation.significance import (
    bootstrap_interval,
    compare_paired,
    holm,
    seed_std,
    sign_flip_test,
    standard_error,
    wilcoxon_test,
)


def _differences(n, shift=0.3, m=1, seed=0):
    return np.random.default_rng(seed).standard_normal((m, n)) + shift


def _exact_p_value(differences):
    """Share of all sign patterns whose sum is as far from 0 as the one that was seen."""
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    return float(np.mean([total >= abs(sum(differences)) - 1e-9 for total in sums]))


@pytest.mark.parametrize("differences", [_differences(5)[0], _differences(12, 0.0)[0]])
def test_sign_flips_approach_the_exact_enumeration(differences):
    exact = _exact_p_value(differences.tolist())
    found = sign_flip_test(differences[None], n_resamples=40_000)[0]
    assert found == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / 40_000) + 5e-5)


def test_tied_sums_count_as_extreme():
    # 0.1 + 0.2 − 0.3 is not 0 in floating point; a quarter of the patterns reach |T| = 0.6.
    differences = np.array([[0.1, 0.2, 0.3, 0.0]])
    assert _exact_p_value([0.1, 0.2, 0.3, 0.0]) == 0.25
    assert sign_flip_test(differences, n_resamples=40_000)[0] == pytest.approx(0.25, abs=0.012)
    assert sign_flip_test(np.array([[0.1, 0.2, -0.3]]), n_resamples=99)[0] == 1.0
    assert sign_flip_test(np.ones((1, 200)), n_resamples=99)[0] == 0.01  # never 0


def test_the_bootstrap_is_that_of_a_mean():
    differences = np.random.default_rng(3).exponential(size=(2, 3000))
    low, high = bootstrap_interval(differences, n_resamples=300)
    for row in range(2):
        plain = stats.bootstrap(
            (differences[row],),
            np.mean,
            n_resamples=300,
            method="percentile",
            batch=43,
            rng=np.random.default_rng(0),
        ).confidence_interval
        assert (low[row], high[row]) == pytest.approx((plain.low, plain.high))


def test_wilcoxon_is_that_of_scipy():
    differences = _differences(40, shift=0.2)[0]
    differences[:5] = 0.0
    oracle = stats.wilcoxon(differences[5:]).pvalue  # those without a difference say nothing
    assert wilcoxon_test(differences) == oracle
    assert wilcoxon_test(np.zeros(4)) == 1.0
    assert wilcoxon_test(np.array([1.0, 2.0, 3.5])) == 0.25  # three positive ranks: 2 / 2³


def test_holm_by_hand():
    # 4 · 0.005, 3 · 0.01, 2 · 0.03, and 0.04 · 1 is raised to the value before it.
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.5])), [1.0, 1.0])
    assert len(holm(np.array([]))) == 0


def test_a_comparison_puts_all_of_it_together():
    reference = _differences(60, shift=1.0)[0]
    values = reference + _differences(60, m=2, seed=5) * np.array([[1.0], [0.1]])
    differences = values - reference
    p_values = sign_flip_test(differences)
    low, high = bootstrap_interval(differences)
    wilcoxon = np.array([wilcoxon_test(row) for row in differences])
    for row, test in enumerate(compare_paired(values, reference)):
        assert test.difference == pytest.approx(differences[row].mean())
        assert (test.low, test.high) == pytest.approx((low[row], high[row]))
        assert test.low < test.difference < test.high
        assert test.p_permutation == p_values[row]
        assert test.p_permutation_holm == pytest.approx(holm(p_values)[row])
        assert test.p_wilcoxon == pytest.approx(wilcoxon[row])
        assert test.p_wilcoxon_holm == pytest.approx(holm(wilcoxon)[row])
    with pytest.raises(ValueError, match=r"values \(2, 60\) and reference \(4,\)"):
        compare_paired(values, reference[:4])
    with pytest.raises(ValueError, match="≥ 2 users"):
        compare_paired(values[:, :1], reference[:1])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.permutations(range(3)))
def test_identical_runs_do_not_differ(values, order):
    # The same three seeds, summed in another order: equal but for rounding.
    seeds = np.stack([np.array(values) * factor for factor in (0.1, 0.2, 0.7)])
    reference, same = seeds.mean(axis=0), seeds[order].mean(axis=0)
    (test,) = compare_paired(same[None], reference)
    assert (test.difference, test.low, test.high) == (0.0, 0.0, 0.0)
    assert test.p_permutation == test.p_permutation_holm == 1.0
    assert test.p_wilcoxon == test.p_wilcoxon_holm == 1.0


def test_spread():
    values = _differences(25)[0]
    assert standard_error(values) == pytest.approx(values.std(ddof=1) / 5)
    assert standard_error(values[:1]) == 0.0
    assert seed_std([0.25, 0.5, 0.125]) == pytest.approx(0.190940654)
    assert seed_std([0.25]) is None
