import numpy as np
import pytest

from symcere_jax.baselines.rp3beta import Rp3BetaSettings, fit_rp3beta

from . import small


def _loop(k, alpha, beta):
    """Scores of all users, a walk at a time."""
    x = small.matrix()
    per_user, per_item = x.sum(axis=1), x.sum(axis=0)
    weights = np.zeros((small.N_ITEMS, small.N_ITEMS))
    for user in range(small.N_USERS):
        for first in small.history(user):
            for last in small.history(user) - {first}:
                walk = (1 / per_item[first]) ** alpha * (1 / per_user[user]) ** alpha
                weights[first, last] += walk / per_item[last] ** beta
    scores = np.zeros((small.N_USERS, small.N_ITEMS))
    for user in range(small.N_USERS):
        for item in small.history(user):
            order = np.argsort(-weights[item].astype(np.float32), kind="stable")[:k]
            scores[user, order] += weights[item, order]
    return scores


@pytest.mark.parametrize("k", [2, 100])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.5, 0.7), (1.5, 0.3)])
def test_equals_loops(k, alpha, beta):
    settings = Rp3BetaSettings(k=k, alpha=alpha, beta=beta)
    scorer = fit_rp3beta(small.dataset(), settings, 0)
    np.testing.assert_allclose(small.scores(scorer), _loop(k, alpha, beta), atol=1e-6)
