import numpy as np
import pytest

from symcere_jax.report.run_plots import embedding_plot


@pytest.mark.parametrize(("n_users", "n_items", "width"), [(3, 1, 4), (5, 4, 1), (1, 1, 1)])
def test_embeddings_without_a_second_axis_have_a_map(n_users, n_items, width):
    random = np.random.default_rng(0)
    users, items = (random.standard_normal((n, width)) for n in (n_users, n_items))
    plot = embedding_plot(users, items, np.ones(n_users, int), np.ones(n_items, int))
    figures = plot.figures()
    assert len(figures) == 2
    for figure, points in zip(figures, (items, users), strict=True):
        offsets = figure.axes[0].collections[0].get_offsets()
        assert offsets.shape == (len(points), 2)
        assert np.isfinite(offsets).all()


def test_the_axes_are_the_principal_ones_of_the_items():
    random = np.random.default_rng(1)
    items = random.standard_normal((30, 5)) * [9, 4, 1, 1, 1]
    figures = embedding_plot(items[:3], items, np.ones(3, int), np.ones(30, int)).figures()
    values, vectors = np.linalg.eigh(np.cov(items.T))
    expected = (items - items.mean(axis=0)) @ vectors[:, [-1, -2]]
    found = np.asarray(figures[0].axes[0].collections[0].get_offsets())
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-8)
    share = values[-1] / values.sum()
    assert f"{share:.0%}" in figures[0].axes[0].get_xlabel()
