import numpy as np
import pytest

from symcere_jax.baselines.linear.ease import EaseSettings, fit_ease
from symcere_jax.baselines.linear.text_ease import TextEaseSettings, fit_text_ease
from tests.baselines import small


def _least_squares(dataset, l2, prior):
    """Column by column: regression of an item on all others, drawn to the cosine of their texts."""
    x = np.zeros((dataset.n_users, dataset.n_items))
    x[tuple(dataset.train.T)] = 1
    unit = lambda rows: rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)  # noqa: E731
    features = unit(np.asarray(dataset.text_features("lsa", "items"), np.float64))
    features = unit(features - features.mean(axis=0))
    cosines = features @ features.T
    weights = np.zeros((dataset.n_items, dataset.n_items))
    for item in range(dataset.n_items):
        others = np.arange(dataset.n_items) != item
        stacked = np.vstack([x[:, others], np.sqrt(l2) * np.eye(others.sum())])
        target = np.concatenate([x[:, item], np.sqrt(l2) * prior * cosines[others, item]])
        weights[others, item] = np.linalg.lstsq(stacked, target, rcond=None)[0]
    return weights


@pytest.mark.parametrize(("l2", "prior"), [(5.0, 0.2), (50.0, 1.0)])
def test_equals_constrained_least_squares(dataset, l2, prior):
    scorer = fit_text_ease(dataset, TextEaseSettings(l2=l2, prior=prior), 0)
    np.testing.assert_allclose(scorer.params[1], _least_squares(dataset, l2, prior), atol=1e-4)


def test_without_a_prior_it_is_ease(dataset):
    with_text = fit_text_ease(dataset, TextEaseSettings(l2=20.0, prior=0.0), 0)
    plain = fit_ease(dataset, EaseSettings(l2=20.0), 0)
    users = range(dataset.n_users)
    np.testing.assert_allclose(
        small.scores(with_text, users), small.scores(plain, users), atol=1e-4
    )
