import sys

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from symcere_jax.baselines import matrix_models
from symcere_jax.baselines.matrix_models import Ease, GfCf, Ials, PureSvd, Slim, TextEase
from symcere_jax.errors import ConfigError

from . import small


def _columns(x, fit):
    """Weights items × items, a column of which `fit(others, item)` makes of the others."""
    n_items = x.shape[1]
    weights = np.zeros((n_items, n_items))
    for item in range(n_items):
        others = np.arange(n_items) != item
        weights[others, item] = fit(others, item)
    return weights


def _least_squares(x, l2, prior=0.0):
    """Column by column: ridge regression of an item on all others, drawn to a prior."""
    prior = np.broadcast_to(prior, (x.shape[1], x.shape[1]))

    def fit(others, item):
        stacked = np.vstack([x[:, others], np.sqrt(l2) * np.eye(others.sum())])
        target = np.concatenate([x[:, item], np.sqrt(l2) * prior[others, item]])
        return np.linalg.lstsq(stacked, target, rcond=None)[0]

    return _columns(x, fit)


def _elastic_net(x, l1, l2):
    """Column by column: an elastic net with weights of at least 0, of an item on all others."""
    net = ElasticNet(
        alpha=(l1 + l2) / len(x),
        l1_ratio=l1 / (l1 + l2),
        fit_intercept=False,
        positive=True,
        tol=1e-10,
        max_iter=100_000,
    )
    return _columns(x, lambda others, item: net.fit(x[:, others], x[:, item]).coef_)


@pytest.mark.parametrize("l2", [0.5, 10.0])
def test_ease_is_constrained_least_squares(l2):
    scorer, expected = Ease(l2).fit(small.dataset(), 0), _least_squares(small.matrix(), l2)
    np.testing.assert_allclose(scorer.params[1], expected, atol=1e-5)
    np.testing.assert_array_equal(np.diag(scorer.params[1]), 0)
    np.testing.assert_allclose(small.scores(scorer), small.matrix() @ expected, atol=1e-5)


@pytest.mark.parametrize(("l2", "prior"), [(5.0, 0.2), (50.0, 1.0), (20.0, 0.0)])
def test_text_ease_is_least_squares_drawn_to_cosines(dataset, l2, prior):
    x = small.matrix(dataset.train.tolist(), dataset.n_users, dataset.n_items)
    unit = lambda rows: rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)  # noqa: E731
    features = unit(np.asarray(dataset.text_features("lsa", "items"), np.float64))
    features = unit(features - features.mean(axis=0))
    scorer = TextEase(l2, prior).fit(dataset, 0)
    expected = _least_squares(x, l2, prior * features @ features.T)
    np.testing.assert_allclose(scorer.params[1], expected, atol=1e-4)


@pytest.mark.parametrize(("l1", "l2"), [(0.1, 1.0), (0.5, 3.0), (0.01, 10.0)])
def test_slim_is_an_elastic_net_of_each_item(l1, l2):
    scorer, expected = Slim(l1, l2).fit(small.dataset(), 0), _elastic_net(small.matrix(), l1, l2)
    assert 0 < (expected > 0).mean() < 0.9
    np.testing.assert_allclose(scorer.params[1], expected, atol=1e-3)
    np.testing.assert_array_equal(np.diag(scorer.params[1]), 0)
    assert np.asarray(scorer.params[1]).min() == 0


@pytest.mark.parametrize("method", [Ease(), TextEase(), Slim(), GfCf()])
def test_a_catalog_that_is_too_large(monkeypatch, method):
    monkeypatch.setattr(matrix_models, "MAX_ITEMS", 6)
    with pytest.raises(
        ConfigError, match=f"{method.title} .* 7 items are more than its limit of 6"
    ):
        method.fit(small.dataset(), 0)


@pytest.mark.parametrize("factors", [1, 3, 100])
def test_pure_svd(factors):
    left, values, right = np.linalg.svd(small.matrix(), full_matrices=False)
    expected = (left[:, :factors] * values[:factors]) @ right[:factors]
    found = small.scores(PureSvd(factors).fit(small.dataset(), 0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("factors", "low_pass"), [(2, 0.3), (2, 0.0), (100, 1.0)])
def test_gf_cf(factors, low_pass):
    x = small.matrix()
    users, items = (np.sqrt(np.maximum(x.sum(axis=axis), 1)) for axis in (1, 0))
    scaled = x / users[:, None] / items
    vectors = np.linalg.svd(scaled, full_matrices=False)[2][:factors]
    ideal = np.diag(1 / items) @ vectors.T @ vectors @ np.diag(items)
    expected = x @ (scaled.T @ scaled + low_pass * ideal)
    found = small.scores(GfCf(factors, low_pass).fit(small.dataset(), 0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def _objective(users, items, alpha, regularization):
    x = small.matrix()
    errors = np.where(x > 0, alpha, 1.0) * (x - users @ items.T) ** 2
    return errors.sum() + regularization * ((users**2).sum() + (items**2).sum())


def _solve(items, targets, alpha, regularization):
    """The rows that minimize the objective, those of the other side being fixed."""
    rows = []
    for target in targets:
        weights = np.where(target > 0, alpha, 1.0)
        gram = (items.T * weights) @ items + regularization * np.eye(items.shape[1])
        rows.append(np.linalg.solve(gram, items.T @ (weights * target)))
    return np.array(rows)


@pytest.mark.parametrize(("alpha", "regularization"), [(5.0, 0.5), (20.0, 2.0)])
def test_ials_reaches_a_minimum_of_the_objective(alpha, regularization):
    pytest.importorskip("implicit")
    settings = {"factors": 3, "alpha": alpha, "regularization": regularization}
    scorer = Ials(**settings, iterations=300).fit(small.dataset(), 0)
    users, items = (np.asarray(x, np.float64) for x in (scorer.params.users, scorer.params.items))
    np.testing.assert_allclose(small.scores(scorer), users @ items.T, atol=1e-5)
    found = _objective(users, items, alpha, regularization)
    # Exact alternating least squares from there finds nothing better.
    for _ in range(50):
        users = _solve(items, small.matrix(), alpha, regularization)
        items = _solve(users, small.matrix().T, alpha, regularization)
    assert found == pytest.approx(_objective(users, items, alpha, regularization), rel=1e-4)
    assert found < 0.7 * _objective(0 * users, 0 * items, alpha, regularization)


def test_the_seed_decides_what_ials_finds():
    pytest.importorskip("implicit")
    first, second, other = (Ials(3).fit(small.dataset(), seed).params.users for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)


def test_ials_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    monkeypatch.setitem(sys.modules, "implicit", None)
    with pytest.raises(ConfigError, match=r"pip install 'symcere-jax\[baselines\]'"):
        Ials().fit(small.dataset(), 0)
