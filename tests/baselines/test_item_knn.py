import math

import numpy as np
import pytest

from symcere_jax.baselines.item_knn import ItemKnnSettings, fit_item_knn

from . import small


def _loop(k, shrinkage):
    """Scores of all users from the formulas."""
    users = [
        {user for user, other in small.TRAIN if other == item} for item in range(small.N_ITEMS)
    ]
    scores = np.zeros((small.N_USERS, small.N_ITEMS))
    for item in range(small.N_ITEMS):
        weights = {}
        for other in range(small.N_ITEMS):
            scale = math.sqrt(len(users[item]) * len(users[other])) + shrinkage
            if other != item and scale:
                weights[other] = len(users[item] & users[other]) / scale
        nearest = sorted(weights, key=lambda other: (-np.float32(weights[other]), other))[:k]
        for user in users[item]:
            for other in nearest:
                scores[user, other] += weights[other]
    return scores


@pytest.mark.parametrize("k", [1, 3, 100])
@pytest.mark.parametrize("shrinkage", [0.0, 5.0])
def test_equals_loops(k, shrinkage):
    scorer = fit_item_knn(small.dataset(), ItemKnnSettings(k=k, shrinkage=shrinkage), 0)
    np.testing.assert_allclose(small.scores(scorer), _loop(k, shrinkage), atol=1e-6)


def test_an_item_without_users_scores_0():
    scorer = fit_item_knn(small.dataset(), ItemKnnSettings(k=100, shrinkage=0.0), 0)
    assert not small.scores(scorer)[:, 6].any()
