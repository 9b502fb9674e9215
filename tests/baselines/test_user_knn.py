import math

import numpy as np
import pytest

from symcere_jax.baselines.user_knn import UserKnnSettings, fit_user_knn

from . import small


def _loop(k, shrinkage):
    """Scores of all users from the formulas."""
    scores = np.zeros((small.N_USERS, small.N_ITEMS))
    for user in range(small.N_USERS):
        weights = {}
        for other in range(small.N_USERS):
            mine, theirs = small.history(user), small.history(other)
            scale = math.sqrt(len(mine) * len(theirs)) + shrinkage
            if other != user and scale:
                weights[other] = len(mine & theirs) / scale
        nearest = sorted(weights, key=lambda other: (-np.float32(weights[other]), other))[:k]
        for other in nearest:
            for item in small.history(other):
                scores[user, item] += weights[other]
    return scores


@pytest.mark.parametrize("k", [1, 3, 100])
@pytest.mark.parametrize("shrinkage", [0.0, 5.0])
def test_equals_loops(k, shrinkage):
    scorer = fit_user_knn(small.dataset(), UserKnnSettings(k=k, shrinkage=shrinkage), 0)
    np.testing.assert_allclose(small.scores(scorer), _loop(k, shrinkage), atol=1e-6)
