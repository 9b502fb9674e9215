import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.evaluation.metrics import (
    RANKING_METRICS,
    catalog_metrics,
    popularity_metrics,
    ranking_metrics,
)

from . import folders

NO_ITEM = 1000  # beyond all catalogs of these tests
compiled = jax.jit(ranking_metrics, static_argnames="ks")


def measure(rankings, relevant, ks, n_users=None, n_pairs=None):
    """Metrics of lists of items, padded to given numbers of users and of relevant items."""
    n_users, n_pairs = n_users or len(rankings), n_pairs or sum(map(len, relevant))
    recommended = np.full((n_users, max(ks)), -1, np.int32)
    n_relevant = np.ones(n_users, np.int32)
    rows, items = np.zeros(n_pairs, np.int32), np.full(n_pairs, NO_ITEM, np.int32)
    pairs = [(user, item) for user, wanted in enumerate(relevant) for item in wanted]
    for user, (ranked, wanted) in enumerate(zip(rankings, relevant, strict=True)):
        recommended[user, : len(ranked)] = ranked[: max(ks)]
        n_relevant[user] = len(wanted)
    rows[: len(pairs)], items[: len(pairs)] = np.transpose(pairs)
    with jax.enable_x64(True):
        values = np.asarray(compiled(recommended, n_relevant, rows, items, ks=tuple(ks)))
    assert values.dtype == np.float64
    assert values.shape == (n_users, len(ks), len(RANKING_METRICS))
    return {
        f"{name}@{k}": values[: len(rankings), column, place]
        for column, k in enumerate(ks)
        for place, name in enumerate(RANKING_METRICS)
    }


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_metrics_equal_a_loop_over_users(data):
    n_items = 8
    items = st.lists(st.integers(0, n_items - 1), unique=True)
    users = data.draw(st.lists(st.tuples(items, items.filter(bool)), min_size=1, max_size=5))
    ks = (1, 3, n_items)
    found = measure(*zip(*users, strict=True), ks, n_users=5, n_pairs=40)
    assert len(found) == 6 * len(ks)
    for k in ks:
        for user, (ranked, wanted) in enumerate(users):
            for name, expected in folders.user_metrics(ranked, set(wanted), k).items():
                assert found[f"{name}@{k}"][user] == pytest.approx(expected, abs=1e-12)


def test_fractions_are_as_exact_as_divisions():
    # A product with the rounded 1 / 49 would make 49 of 49 less than 1.
    n = 110
    rankings, relevant = [range(n)] * n, [range(size + 1) for size in range(n)]
    ks = (3, 10, 49, 103, n)
    found = measure(rankings, relevant, ks)
    sizes = np.arange(1, n + 1)
    for k in ks:
        for name in ("ndcg", "map", "mrr", "hit_rate"):
            np.testing.assert_array_equal(found[f"{name}@{k}"], 1.0)
        np.testing.assert_array_equal(found[f"recall@{k}"], np.minimum(sizes, k) / sizes)
        np.testing.assert_array_equal(found[f"precision@{k}"], np.minimum(sizes, k) / k)


def test_values_do_not_depend_on_the_users_beside():
    rng, ks = np.random.default_rng(0), (7, 60)
    rankings = [rng.permutation(90)[:60] for _ in range(40)]
    relevant = [rng.permutation(90)[:30] for _ in range(40)]
    together = measure(rankings, relevant, ks)
    for n_users in (1, 3, 17):
        some = measure(rankings[:n_users], relevant[:n_users], ks)
        for name, values in some.items():
            np.testing.assert_array_equal(values, together[name][:n_users])


def test_no_array_is_larger_than_ranks_of_users_or_of_relevant_items():
    n_users, n_pairs, ks = 6, 200, (3, 20)
    shapes = [(n_users, 20), (n_users,), (n_pairs,), (n_pairs,)]
    arguments = [jax.ShapeDtypeStruct(shape, np.int32) for shape in shapes]
    with jax.enable_x64(True):
        graph = jax.make_jaxpr(lambda *arrays: ranking_metrics(*arrays, ks))(*arguments)
    sizes = [var.aval.size for equation in graph.eqns for var in equation.outvars]
    assert max(sizes) == n_pairs * max(ks)


@pytest.mark.parametrize("k", [0, 4])
def test_cut_offs_out_of_range_are_refused(k):
    recommended = np.zeros((1, 3), np.int32)
    one = np.ones(1, np.int32)
    with pytest.raises(ValueError, match=f"cutoff {k} .* 3 items"):
        ranking_metrics(jnp.asarray(recommended), one, one, one, (k,))


def test_empty_ranks_and_padding_are_no_hits():
    found = measure([[4], []], [[4], [0]], (2,), n_users=3, n_pairs=9)
    np.testing.assert_array_equal(found["recall@2"], [1.0, 0.0])
    np.testing.assert_array_equal(found["precision@2"], [0.5, 0.0])


def test_popularity_is_a_mean_over_the_items_that_there_are():
    recommended = np.array([[0, 2, 1], [1, -1, -1], [-1, -1, -1]], np.int32)
    found = popularity_metrics(recommended, np.array([10, 4, 1]), (1, 2, 3))
    np.testing.assert_allclose(found["popularity@1"], [10.0, 4.0, 0.0])
    np.testing.assert_allclose(found["popularity@2"], [5.5, 4.0, 0.0])
    np.testing.assert_allclose(found["popularity@3"], [5.0, 4.0, 0.0])


def _mean_difference_gini(counts):
    """Gini by its definition: mean absolute difference over twice the mean."""
    differences = [abs(a - b) for a in counts for b in counts]
    return sum(differences) / (2 * len(counts) * sum(counts))


def test_coverage_and_gini_equal_their_definitions():
    recommended = np.array([[0, 1], [0, 2], [0, -1]], np.int32)
    found = catalog_metrics(recommended, 5, (1, 2))
    assert found["coverage@1"] == pytest.approx(1 / 5)
    assert found["coverage@2"] == pytest.approx(3 / 5)
    assert found["gini@1"] == pytest.approx(1 - 1 / 5)  # always the same item
    assert found["gini@2"] == pytest.approx(_mean_difference_gini([3, 1, 1, 0, 0]))
