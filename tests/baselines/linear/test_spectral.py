"""PureSVD and GF-CF, against NumPy's decomposition of the dense matrix."""

import numpy as np
import pytest

from symcere_jax.baselines.linear.gf_cf import GfCfSettings, fit_gf_cf
from symcere_jax.baselines.linear.pure_svd import PureSvdSettings, fit_pure_svd
from tests.baselines import small


@pytest.mark.parametrize("factors", [1, 3, 100])
def test_pure_svd(factors):
    scorer = fit_pure_svd(small.dataset(), PureSvdSettings(factors=factors), 0)
    left, values, right = np.linalg.svd(small.matrix(), full_matrices=False)
    expected = (left[:, :factors] * values[:factors]) @ right[:factors]
    np.testing.assert_allclose(small.scores(scorer), expected, atol=1e-5)


@pytest.mark.parametrize(("factors", "low_pass"), [(2, 0.3), (2, 0.0), (100, 1.0)])
def test_gf_cf(factors, low_pass):
    scorer = fit_gf_cf(small.dataset(), GfCfSettings(factors=factors, low_pass=low_pass), 0)
    x = small.matrix()
    users, items = (np.sqrt(np.maximum(x.sum(axis=axis), 1)) for axis in (1, 0))
    scaled = x / users[:, None] / items
    vectors = np.linalg.svd(scaled, full_matrices=False)[2][:factors]
    ideal = np.diag(1 / items) @ vectors.T @ vectors @ np.diag(items)
    expected = x @ (scaled.T @ scaled + low_pass * ideal)
    np.testing.assert_allclose(small.scores(scorer), expected, atol=1e-5)
