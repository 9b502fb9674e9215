import numpy as np
import pytest

from symcere_jax.baselines.linear import ease
from symcere_jax.baselines.linear.ease import EaseSettings, fit_ease
from symcere_jax.errors import ConfigError
from tests.baselines import small


def _least_squares(l2):
    """Column by column: ridge regression of an item on all other items."""
    x = small.matrix()
    weights = np.zeros((small.N_ITEMS, small.N_ITEMS))
    for item in range(small.N_ITEMS):
        others = [other for other in range(small.N_ITEMS) if other != item]
        stacked = np.vstack([x[:, others], np.sqrt(l2) * np.eye(len(others))])
        target = np.concatenate([x[:, item], np.zeros(len(others))])
        weights[others, item] = np.linalg.lstsq(stacked, target, rcond=None)[0]
    return weights


@pytest.mark.parametrize("l2", [0.5, 10.0])
def test_equals_constrained_least_squares(l2):
    scorer = fit_ease(small.dataset(), EaseSettings(l2=l2), 0)
    np.testing.assert_allclose(scorer.params[1], _least_squares(l2), atol=1e-5)
    np.testing.assert_allclose(small.scores(scorer), small.matrix() @ _least_squares(l2), atol=1e-5)


def test_items_do_not_recommend_themselves():
    scorer = fit_ease(small.dataset(), EaseSettings(), 0)
    np.testing.assert_array_equal(np.diag(scorer.params[1]), 0)


def test_a_catalog_that_is_too_large(monkeypatch):
    monkeypatch.setattr(ease, "MAX_ITEMS", 6)
    with pytest.raises(ConfigError, match="7 items are more than the 6"):
        fit_ease(small.dataset(), EaseSettings(), 0)
