import sys

import numpy as np
import pytest

from symcere_jax.baselines.ials import IalsSettings, fit_ials
from symcere_jax.errors import ConfigError

from . import small


def _objective(users, items, alpha, regularization):
    total = regularization * ((users**2).sum() + (items**2).sum())
    for user in range(small.N_USERS):
        for item in range(small.N_ITEMS):
            known = item in small.history(user)
            weight, target = (alpha, 1.0) if known else (1.0, 0.0)
            total += weight * (target - users[user] @ items[item]) ** 2
    return total


def _solve(items, targets, alpha, regularization):
    """The rows that minimize the objective, those of the other side being fixed."""
    rows = []
    for target in targets:
        weights = np.where(target > 0, alpha, 1.0)
        gram = (items.T * weights) @ items + regularization * np.eye(items.shape[1])
        rows.append(np.linalg.solve(gram, items.T @ (weights * target)))
    return np.array(rows)


def _fit(seed=0, **settings):
    pytest.importorskip("implicit")
    scorer = fit_ials(small.dataset(), IalsSettings(**settings), seed)
    factors = scorer.params
    return np.asarray(factors.users, np.float64), np.asarray(factors.items, np.float64), scorer


@pytest.mark.parametrize(("alpha", "regularization"), [(5.0, 0.5), (20.0, 2.0)])
def test_reaches_a_minimum_of_the_objective(alpha, regularization):
    users, items, _ = _fit(factors=3, alpha=alpha, regularization=regularization, iterations=300)
    found = _objective(users, items, alpha, regularization)
    # Exact alternating least squares from there finds nothing better.
    x = small.matrix()
    for _ in range(50):
        users = _solve(items, x, alpha, regularization)
        items = _solve(users, x.T, alpha, regularization)
    assert found == pytest.approx(_objective(users, items, alpha, regularization), rel=1e-4)
    zeros = np.zeros((small.N_USERS, 3)), np.zeros((small.N_ITEMS, 3))
    assert found < 0.7 * _objective(*zeros, alpha, regularization)


def test_scores_are_inner_products():
    users, items, scorer = _fit(factors=3)
    np.testing.assert_allclose(small.scores(scorer), users @ items.T, atol=1e-5)


def test_the_seed_decides():
    first, second, other = (_fit(seed, factors=3)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    monkeypatch.setitem(sys.modules, "implicit", None)
    with pytest.raises(ConfigError, match=r"pip install 'symcere-jax\[baselines\]'"):
        fit_ials(small.dataset(), IalsSettings(), 0)
