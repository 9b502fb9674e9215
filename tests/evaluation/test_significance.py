import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from symcere_jax.evaluation import significance
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


@pytest.mark.parametrize("n", [2, 5, 12])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_sign_flips_approach_the_exact_enumeration(n, shift):
    differences = _differences(n, shift, seed=n)
    n_resamples = 40_000
    exact = _exact_p_value(differences[0].tolist())
    found = sign_flip_test(differences, n_resamples=n_resamples)[0]
    tolerance = 5 * np.sqrt(exact * (1 - exact) / n_resamples) + 2 / n_resamples
    assert found == pytest.approx(exact, abs=tolerance)


def test_tied_sums_count_as_extreme():
    # 0.1 + 0.2 − 0.3 is not 0 in floating point; half of the patterns reach |T| = 0.6.
    differences = np.array([[0.1, 0.2, 0.3, 0.0]])
    assert _exact_p_value([0.1, 0.2, 0.3, 0.0]) == 0.25
    assert sign_flip_test(differences, n_resamples=40_000)[0] == pytest.approx(0.25, abs=0.012)
    cancelling = np.array([[0.1, 0.2, -0.3]])
    assert sign_flip_test(cancelling, n_resamples=99)[0] == 1.0


def test_sign_flips_agree_with_scipy():
    differences = _differences(80, shift=0.05)[0]
    oracle = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=20_000,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    found = sign_flip_test(differences[None], n_resamples=20_000)[0]
    assert 0.05 < oracle.pvalue < 0.5  # neither certain, so that agreement says something
    assert found == pytest.approx(oracle.pvalue, abs=0.015)


def test_a_p_value_is_never_zero():
    differences = np.ones((1, 200))
    assert sign_flip_test(differences, n_resamples=99)[0] == 0.01


def test_p_values_are_uniform_when_nothing_differs():
    differences = _differences(30, shift=0.0, m=400)
    p_values = sign_flip_test(differences, n_resamples=2000)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_bootstrap_agrees_with_scipy(level):
    differences = np.random.default_rng(3).exponential(size=60)
    oracle = stats.bootstrap(
        (differences,),
        np.mean,
        confidence_level=level,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    low, high = bootstrap_interval(differences[None], level=level, n_resamples=20_000)
    width = oracle.high - oracle.low
    assert low[0] == pytest.approx(oracle.low, abs=0.04 * width)
    assert high[0] == pytest.approx(oracle.high, abs=0.04 * width)


def test_the_bootstrap_covers_the_true_mean():
    differences = _differences(50, shift=0.3, m=400)
    low, high = bootstrap_interval(differences, n_resamples=1000)
    covered = np.mean((low <= 0.3) & (high >= 0.3))
    assert 0.89 < covered < 0.98


def test_resamples_do_not_depend_on_the_number_of_comparisons():
    differences = _differences(20, m=3)
    low, high = bootstrap_interval(differences, n_resamples=500)
    p_values = sign_flip_test(differences, n_resamples=500)
    for row in range(3):
        alone = bootstrap_interval(differences[[row]], n_resamples=500)
        np.testing.assert_allclose([low[row], high[row]], np.ravel(alone), rtol=1e-12)
        assert sign_flip_test(differences[[row]], n_resamples=500)[0] == p_values[row]


def test_few_resamples_are_held_at_once(monkeypatch):
    monkeypatch.setattr(significance, "_BLOCK_VALUES", 100)
    assert list(significance._blocks(25, 10)) == [10, 10, 5]
    assert list(significance._blocks(3, 1000)) == [1, 1, 1]  # more users than fit
    differences = _differences(10)
    assert sign_flip_test(np.ones((1, 10)), n_resamples=25)[0] <= 2 / 26  # all 25 were drawn
    low, high = bootstrap_interval(differences, n_resamples=25)
    assert differences.min() <= low[0] < high[0] <= differences.max()


def test_the_seed_decides():
    differences = _differences(30, shift=0.1)
    for test in (bootstrap_interval, sign_flip_test):
        first, again, other = (test(differences, n_resamples=300, seed=s) for s in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_wilcoxon_is_that_of_scipy():
    differences = _differences(40, shift=0.2)[0]
    differences[:5] = 0.0
    oracle = stats.wilcoxon(differences[5:]).pvalue  # those without a difference say nothing
    assert wilcoxon_test(differences) == oracle
    assert wilcoxon_test(np.zeros(4)) == 1.0
    # Three positive ranks of three: 2 / 2³.
    assert wilcoxon_test(np.array([1.0, 2.0, 3.5])) == 0.25


def test_holm_by_hand():
    # 4 · 0.005, 3 · 0.01, 2 · 0.03, and 0.04 · 1 is raised to the value before it.
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.5])), [1.0, 1.0])
    np.testing.assert_allclose(holm(np.array([0.2])), [0.2])
    assert len(holm(np.array([]))) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_none_and_bonferroni(p_values):
    p_values = np.array(p_values)
    found = holm(p_values)
    assert (found >= p_values).all()
    assert (found <= np.minimum(1.0, len(p_values) * p_values)).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


def test_a_comparison_puts_all_of_it_together():
    reference = _differences(60, shift=1.0)[0]
    values = reference + _differences(60, m=2, seed=5) * np.array([[1.0], [0.1]])
    tests = compare_paired(values, reference, n_resamples=400, seed=7)
    differences = values - reference
    p_values = sign_flip_test(differences, n_resamples=400, seed=7)
    low, high = bootstrap_interval(differences, n_resamples=400, seed=7)
    wilcoxon = np.array([wilcoxon_test(row) for row in differences])
    for row, test in enumerate(tests):
        assert test.difference == pytest.approx(differences[row].mean())
        assert (test.low, test.high) == pytest.approx((low[row], high[row]))
        assert test.low < test.difference < test.high
        assert test.p_permutation == p_values[row]
        assert test.p_permutation_holm == pytest.approx(holm(p_values)[row])
        assert test.p_wilcoxon == pytest.approx(wilcoxon[row])
        assert test.p_wilcoxon_holm == pytest.approx(holm(wilcoxon)[row])


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
    st.permutations(range(3)),
)
def test_identical_runs_do_not_differ(values, order):
    # The same three seeds, summed in another order: equal but for rounding.
    seeds = np.stack([np.array(values) * factor for factor in (0.1, 0.2, 0.7)])
    reference, same = seeds.mean(axis=0), seeds[order].mean(axis=0)
    (test,) = compare_paired(same[None], reference, n_resamples=50)
    assert (test.difference, test.low, test.high) == (0.0, 0.0, 0.0)
    assert test.p_permutation == test.p_permutation_holm == 1.0
    assert test.p_wilcoxon == test.p_wilcoxon_holm == 1.0


def test_swapping_the_runs_mirrors_the_comparison():
    first, second = _differences(40, m=2)
    (forth,) = compare_paired(first[None], second, n_resamples=200)
    (back,) = compare_paired(second[None], first, n_resamples=200)
    assert back.difference == pytest.approx(-forth.difference)
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
    assert back.p_permutation == forth.p_permutation
    assert back.p_wilcoxon == pytest.approx(forth.p_wilcoxon)


def test_standard_error():
    values = _differences(25)[0]
    assert standard_error(values) == pytest.approx(stats.sem(values))
    assert standard_error(values[:1]) == 0.0


def test_spread_over_seeds():
    means = [0.25, 0.5, 0.125]
    mean = sum(means) / 3
    assert seed_std(means) == pytest.approx((sum((x - mean) ** 2 for x in means) / 2) ** 0.5)
    assert seed_std([0.25]) is None


def test_bad_arguments():
    differences = _differences(5)
    with pytest.raises(ValueError, match=r"values \(1, 5\) and reference \(4,\) do not fit"):
        compare_paired(differences, np.zeros(4))
    with pytest.raises(ValueError, match="at least 2 users"):
        sign_flip_test(differences[:, :1])
    with pytest.raises(ValueError, match="n_resamples is 0"):
        bootstrap_interval(differences, n_resamples=0)
    with pytest.raises(ValueError, match=r"level is 95"):
        bootstrap_interval(differences, level=95)
