import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import Ridge

from symcere_jax.data import Interactions
from symcere_jax.models.word_neighbors import word_neighbors


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def draw(n_items, n_words=40, seed=0):
    """TF-IDF weights of items, and text features that know some of them."""
    rng = np.random.default_rng(seed)
    words = unit(rng.gamma(0.3, size=(n_items, n_words)) * (rng.random((n_items, n_words)) < 0.4))
    return scipy.sparse.csr_matrix(words), words[:, :6] + 0.01


def kernel(words):
    """In float64: cosines of what is left of the words without their mean."""
    dense = words.toarray()
    centered = unit((dense - dense.mean(axis=0)) * dense.any(axis=1, keepdims=True))
    return centered @ centered.T


def approximation(neighbors):
    return neighbors.features.astype(float) @ neighbors.features.T


@pytest.mark.parametrize("n_items", [1, 2, 7, 60])
def test_features_give_the_kernel(n_items):
    words, text = draw(n_items)
    neighbors = word_neighbors(words, text)
    np.testing.assert_allclose(approximation(neighbors), kernel(words), atol=1e-5)


@pytest.mark.parametrize("few", [0, 10_000])
def test_of_many_items_the_largest_eigenvalues_are_kept(monkeypatch, few):
    monkeypatch.setattr(f"{word_neighbors.__module__}.MAX_COLUMNS", 20)
    monkeypatch.setattr(f"{word_neighbors.__module__}._FEW_ITEMS", few)
    words, text = draw(90, 60)
    found = word_neighbors(words, text)
    values, vectors = np.linalg.eigh(kernel(words))
    expected = (vectors[:, -20:] * values[-20:]) @ vectors[:, -20:].T
    np.testing.assert_allclose(approximation(found), expected, atol=2e-3)
    assert found.features.shape == (90, 20)


def test_items_without_words_of_their_own_are_nobodys_neighbors():
    words = np.zeros((5, 3))
    words[:2, 0] = words[2, 1] = 1
    found = word_neighbors(scipy.sparse.csr_matrix(words), np.eye(5))
    assert np.isfinite(found.features).all() and not found.features[3:].any()
    same = word_neighbors(scipy.sparse.csr_matrix(np.ones((4, 1))), np.eye(4))
    none = word_neighbors(scipy.sparse.csr_matrix((4, 0)), np.eye(4))
    assert same.features.shape == none.features.shape == (4, 0)
    assert same.user_columns(Interactions.from_rows([[0, 1]])).shape == (1, 0)


def test_users_have_the_mean_of_their_items():
    words, text = draw(12)
    found = word_neighbors(words, text)
    rows = [[1, 5, 7], [], [2]]
    scores = found.user_columns(Interactions.from_rows(rows)) @ found.features.T
    near = kernel(words)
    for user, row in enumerate(rows):
        expected = near[row].mean(axis=0) if row else np.zeros(12)
        np.testing.assert_allclose(scores[user], expected, atol=1e-5)
    shares = found.shares(np.array(rows[0]), 5)
    np.testing.assert_allclose(shares, near[rows[0], 5] / 3, atol=1e-5)
    assert not found.shares(np.array([], int), 3).size


def test_new_items_by_ridge_regression():
    words, text = draw(30)
    found = word_neighbors(words, text)
    inputs = np.concatenate([unit(text), np.ones((30, 1))], axis=1)
    strength = 1e-2 * (inputs**2).sum() / inputs.shape[1]
    oracle = Ridge(alpha=strength, fit_intercept=False).fit(inputs, found.features)
    new = np.abs(np.random.default_rng(3).normal(size=(4, 6)))
    expected = oracle.predict(np.concatenate([unit(new), np.ones((4, 1))], axis=1))
    np.testing.assert_allclose(found.features_of(new * 7), expected, atol=1e-4)
    assert not found.features_of(np.zeros((1, 6))).any()
    more = found.with_items(new)
    np.testing.assert_array_equal(more.features[:30], found.features)
    np.testing.assert_allclose(more.features[30:], expected, atol=1e-4)


def test_texts_that_explain_the_words_place_a_new_item_where_it_belongs():
    words, _ = draw(50, 20)
    text = words.toarray()
    found = word_neighbors(words, text)
    copies = found.features_of(text[:10])
    near = copies @ found.features.T
    agreement = np.corrcoef(near.ravel(), kernel(words)[:10].ravel())[0, 1]
    assert agreement > 0.9
