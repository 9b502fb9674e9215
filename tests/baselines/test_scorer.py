import jax
import numpy as np

from symcere_jax.baselines.scorer import interaction_matrix, training_items
from symcere_jax.models import Factors, score_factors

from . import small


def test_training_items():
    histories = training_items(small.dataset())
    users = np.array([7, 8, 0, 4, 0])  # the longest, none, repeats
    rows = np.asarray(jax.jit(lambda h, u: h.padded(u, 99))(histories, users))
    assert rows.shape == (5, 6)
    for user, row in zip(users.tolist(), rows.tolist(), strict=True):
        items = sorted(small.history(user))
        assert row == items + [99] * (6 - len(items))
    assert histories.counts(users).tolist() == [6, 0, 3, 1, 3]


def test_the_matrix_has_the_training_interactions():
    found = interaction_matrix(small.dataset())
    np.testing.assert_array_equal(found.toarray(), small.matrix())
    assert found.dtype == np.float32


def test_factors_score_by_inner_product():
    rng = np.random.default_rng(0)
    users, items = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
    found = score_factors(
        Factors(jax.numpy.asarray(users), jax.numpy.asarray(items)), np.array([4])
    )
    expected = [[sum(users[4, d] * item[d] for d in range(3)) for item in items]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
