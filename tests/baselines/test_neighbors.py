import math

import numpy as np
import pytest

from symcere_jax.baselines import neighbors
from symcere_jax.baselines.neighbors import ItemKnn, Rp3Beta, UserKnn, nearest_neighbors

from . import small


def _similarities(n_items, seed=0):
    # Coarse, so that there are ties; some are negative.
    return np.random.default_rng(seed).integers(-2, 5, (n_items, n_items)) / 4


@pytest.mark.parametrize("k", [1, 3, 6, 7, 50])
@pytest.mark.parametrize("block_items", [1, 3, 100])
def test_nearest_equals_a_sort(monkeypatch, k, block_items):
    n_items = 7
    monkeypatch.setattr(neighbors, "_BLOCK_BYTES", block_items * 8 * n_items)
    similarities = _similarities(n_items)
    items, weights = nearest_neighbors(lambda rows: similarities[rows].copy(), n_items, k)
    assert items.shape == weights.shape == (n_items, min(k, n_items))
    for item in range(n_items):
        others = {other: similarities[item, other] for other in range(n_items) if other != item}
        order = sorted(others, key=lambda other: (-others[other], other))
        expected = [(other, others[other]) for other in order if others[other] > 0][:k]
        kept = weights[item] > 0
        found = zip(items[item][kept].tolist(), weights[item][kept].tolist(), strict=True)
        assert list(found) == expected
        assert item not in items[item][kept]
    assert (weights >= 0).all()


def _similar(sets, k, shrinkage):
    """Weights of the k nearest others of each set, from the formula."""
    weights = np.zeros((len(sets), len(sets)))
    for row, mine in enumerate(sets):
        for other, theirs in enumerate(sets):
            scale = math.sqrt(len(mine) * len(theirs)) + shrinkage
            if other != row and scale:
                weights[row, other] = len(mine & theirs) / scale
    return _nearest(weights, k)


def _nearest(weights, k):
    """The same with 0 beyond the k nearest of each row."""
    kept = np.zeros_like(weights)
    for row, values in enumerate(weights):
        order = np.argsort(-values.astype(np.float32), kind="stable")[:k]
        kept[row, order] = values[order]
    return kept


@pytest.mark.parametrize("k", [1, 3, 100])
@pytest.mark.parametrize("shrinkage", [0.0, 5.0])
def test_knn_of_items_and_of_users_equal_loops(k, shrinkage):
    x = small.matrix()
    by_item = x @ _similar([set(np.flatnonzero(column)) for column in x.T], k, shrinkage)
    found = small.scores(ItemKnn(k, shrinkage).fit(small.dataset(), 0))
    np.testing.assert_allclose(found, by_item, atol=1e-6)
    assert not found[:, 6].any()  # an item without users
    by_user = _similar([set(np.flatnonzero(row)) for row in x], k, shrinkage) @ x
    found = small.scores(UserKnn(k, shrinkage).fit(small.dataset(), 0))
    np.testing.assert_allclose(found, by_user, atol=1e-6)


@pytest.mark.parametrize("k", [2, 100])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.5, 0.7), (1.5, 0.3)])
def test_rp3beta_equals_a_loop_over_walks(k, alpha, beta):
    x = small.matrix()
    per_user, per_item = x.sum(axis=1), x.sum(axis=0)
    weights = np.zeros((small.N_ITEMS, small.N_ITEMS))
    for user in range(small.N_USERS):
        for first in small.history(user):
            for last in small.history(user) - {first}:
                walk = (1 / per_item[first]) ** alpha * (1 / per_user[user]) ** alpha
                weights[first, last] += walk / per_item[last] ** beta
    found = small.scores(Rp3Beta(k, alpha, beta).fit(small.dataset(), 0))
    np.testing.assert_allclose(found, x @ _nearest(weights, k), atol=1e-6)
