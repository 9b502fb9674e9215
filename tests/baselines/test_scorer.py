import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.baselines.scorer import (
    ItemItem,
    interaction_matrix,
    score_item_item,
    training_histories,
)

from . import small

USERS = np.array([7, 8, 0, 4, 0])  # the longest, none, repeats


def test_histories():
    histories = training_histories(small.dataset())
    rows = np.asarray(jax.jit(lambda h, u: h.padded(u, 99))(histories, USERS))
    assert rows.shape == (5, 6)
    for user, row in zip(USERS.tolist(), rows.tolist(), strict=True):
        items = sorted(small.history(user))
        assert row == items + [99] * (6 - len(items))
    assert histories.counts(USERS).tolist() == [6, 0, 3, 1, 3]


def test_the_matrix_has_the_training_interactions():
    found = interaction_matrix(small.dataset())
    np.testing.assert_array_equal(found.toarray(), small.matrix())
    assert found.dtype == np.float32


def test_item_item_scores_are_a_product():
    weights = np.random.default_rng(0).standard_normal((small.N_ITEMS, small.N_ITEMS))
    params = ItemItem(training_histories(small.dataset()), jnp.asarray(weights))
    found = jax.jit(score_item_item)(params, USERS)
    np.testing.assert_allclose(found, small.matrix()[USERS] @ weights, atol=1e-5)
