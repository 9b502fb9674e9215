import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.baselines import similar_items
from symcere_jax.baselines.scorer import training_histories
from symcere_jax.baselines.similar_items import nearest_neighbors, score_neighbors

from . import small


def _similarities(n_items, seed=0):
    # Coarse, so that there are ties; some are negative.
    return np.random.default_rng(seed).integers(-2, 5, (n_items, n_items)) / 4


@pytest.mark.parametrize("k", [1, 3, 6, 7, 50])
@pytest.mark.parametrize("block_items", [1, 3, 100])
def test_nearest_equals_a_sort(monkeypatch, k, block_items):
    n_items = 7
    monkeypatch.setattr(similar_items, "_BLOCK_BYTES", block_items * 8 * n_items)
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


@pytest.mark.parametrize("k", [2, 7])
def test_scores_are_sums_over_the_history(k):
    items, weights = nearest_neighbors(lambda rows: _similarities(7)[rows], small.N_ITEMS, k)
    histories = training_histories(small.dataset())
    params = histories, jnp.asarray(items), jnp.asarray(weights)
    users = np.array([3, 7, 8, 0], np.int32)
    found = np.asarray(jax.jit(score_neighbors)(params, users))
    expected = np.zeros((4, small.N_ITEMS))
    for row, user in enumerate(users.tolist()):
        for item in small.history(user):
            for neighbor, weight in zip(items[item], weights[item], strict=True):
                expected[row, neighbor] += weight
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not found[2].any()  # a user without history
