import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from symcere_jax.baselines.linear.slim import SlimSettings, fit_slim
from tests.baselines import small


def _elastic_net(l1, l2):
    """Column by column: an elastic net with weights of at least 0, of an item on all others."""
    x = small.matrix()
    n = len(x)
    net = ElasticNet(
        alpha=(l1 + l2) / n,
        l1_ratio=l1 / (l1 + l2),
        fit_intercept=False,
        positive=True,
        tol=1e-10,
        max_iter=100_000,
    )
    weights = np.zeros((small.N_ITEMS, small.N_ITEMS))
    for item in range(small.N_ITEMS):
        others = [other for other in range(small.N_ITEMS) if other != item]
        weights[others, item] = net.fit(x[:, others], x[:, item]).coef_
    return weights


@pytest.mark.parametrize(("l1", "l2"), [(0.1, 1.0), (0.5, 3.0), (0.01, 10.0)])
def test_equals_an_elastic_net_of_each_item(l1, l2):
    scorer = fit_slim(small.dataset(), SlimSettings(l1=l1, l2=l2), 0)
    expected = _elastic_net(l1, l2)
    assert 0 < (expected > 0).mean() < 0.9
    np.testing.assert_allclose(scorer.params[1], expected, atol=1e-3)
    np.testing.assert_allclose(small.scores(scorer), small.matrix() @ expected, atol=5e-3)


def test_items_do_not_recommend_themselves():
    scorer = fit_slim(small.dataset(), SlimSettings(l1=0.1, l2=1.0), 0)
    np.testing.assert_array_equal(np.diag(scorer.params[1]), 0)
    assert np.asarray(scorer.params[1]).min() == 0
