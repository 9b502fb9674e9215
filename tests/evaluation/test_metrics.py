import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from symcere_jax.data.interactions import Interactions
from symcere_jax.evaluation.metrics import (
    catalog_metrics,
    find_hits,
    popularity_metrics,
    ranking_metrics,
)

from . import folders


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_metrics_equal_a_loop_over_users(data):
    n_items = 8
    items = st.lists(st.integers(0, n_items - 1), unique=True)
    users = data.draw(st.lists(st.tuples(items, items.filter(bool)), min_size=1, max_size=5))
    rankings = [ranked for ranked, _ in users]
    recommended = np.array([ranked + [-1] * (n_items - len(ranked)) for ranked in rankings])
    pairs = np.array([(u, i) for u, (_, relevant) in enumerate(users) for i in relevant], np.int32)
    relevant = Interactions.from_pairs(pairs, len(users))
    rows = np.arange(len(users))
    ks = (1, 3, n_items)
    found = ranking_metrics(find_hits(recommended, rows, relevant), relevant.counts(rows), ks)
    assert len(found) == 6 * len(ks)
    for k in ks:
        for user, (ranked, wanted) in enumerate(users):
            for name, expected in folders.user_metrics(ranked, set(wanted), k).items():
                assert found[f"{name}@{k}"][user] == pytest.approx(expected, abs=1e-12)


def test_ndcg_equals_scikit_learn():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((30, 40))
    relevance = rng.random((30, 40)) < 0.1
    relevance[:, 7] = True  # every user has a relevant item
    recommended = np.argsort(-scores, axis=1)
    hits = np.take_along_axis(relevance, recommended, axis=1)
    found = ranking_metrics(hits, relevance.sum(axis=1), (5, 10))
    for k in (5, 10):
        expected = ndcg_score(relevance, scores, k=k)
        np.testing.assert_allclose(found[f"ndcg@{k}"].mean(), expected, rtol=1e-12)


def test_hand_computed_values():
    # Ranks 2 and 3 are hits; 4 items are relevant.
    found = ranking_metrics(np.array([[False, True, True]]), np.array([4]), (3,))
    assert found["ndcg@3"] == pytest.approx((1 / np.log2(3) + 0.5) / (1 + 1 / np.log2(3) + 0.5))
    assert found["recall@3"] == 0.5
    assert found["precision@3"] == pytest.approx(2 / 3)
    assert found["hit_rate@3"] == 1.0
    assert found["mrr@3"] == 0.5
    assert found["map@3"] == pytest.approx((1 / 2 + 2 / 3) / 3)


def test_a_hit_beyond_the_cut_off_does_not_count():
    found = ranking_metrics(np.array([[False, False, True]]), np.array([1]), (2, 3))
    for name in ("ndcg", "recall", "precision", "hit_rate", "mrr", "map"):
        assert found[f"{name}@2"] == 0.0
        assert found[f"{name}@3"] > 0.0


@pytest.mark.parametrize("k", [0, 4])
def test_cut_offs_out_of_range_are_refused(k):
    recommended = np.zeros((1, 3), np.int32)
    with pytest.raises(ValueError, match=f"cut-off {k} .* 3 items"):
        ranking_metrics(recommended > 0, np.array([1]), (k,))
    with pytest.raises(ValueError, match=f"cut-off {k}"):
        catalog_metrics(recommended, 3, (k,))
    with pytest.raises(ValueError, match=f"cut-off {k}"):
        popularity_metrics(recommended, np.ones(3), (k,))


def test_a_user_without_relevant_items_is_refused():
    with pytest.raises(ValueError, match="no relevant item"):
        ranking_metrics(np.zeros((2, 3), bool), np.array([1, 0]), (3,))


def test_empty_ranks_never_hit():
    # User 0 has the highest item, whose key a rank of −1 of user 1 must not meet.
    relevant = Interactions.from_pairs(np.array([[0, 4], [1, 0]], np.int32), 2)
    recommended = np.array([[4, -1], [-1, -1]], np.int32)
    hits = find_hits(recommended, np.arange(2), relevant)
    np.testing.assert_array_equal(hits, [[True, False], [False, False]])


def test_hits_of_chosen_users_and_of_no_relevant_items():
    relevant = Interactions.from_pairs(np.array([[0, 1], [2, 1], [2, 3]], np.int32), 4)
    recommended = np.array([[3, 0], [1, 3]], np.int32)
    np.testing.assert_array_equal(
        find_hits(recommended, np.array([2, 0]), relevant), [[True, False], [True, False]]
    )
    assert not find_hits(recommended, np.array([1, 3]), relevant).any()
    assert find_hits(recommended[:0], np.zeros(0, int), relevant).shape == (0, 2)


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


def test_gini_is_zero_when_all_items_are_recommended_equally():
    found = catalog_metrics(np.array([[0, 1], [2, 3]], np.int32), 4, (2,))
    assert found["gini@2"] == 0.0
    assert found["coverage@2"] == 1.0
