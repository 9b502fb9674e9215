import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.data.interactions import Interactions
from symcere_jax.models import Embeddings, ItemNeighbors, item_neighbors, score_block


def kernel(left, right):
    """Of embeddings of any length, in float64; an item and itself included."""
    left, right = (
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
        for rows in (np.asarray(left, float), np.asarray(right, float))
    )
    return np.exp((left @ right.T - 1) / item_neighbors.BANDWIDTH)


def draw(n, dim=5, seed=0):
    """Embeddings in clusters: some items have near neighbors."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((max(n // 3, 1), dim))
    return np.float32(centers[rng.integers(len(centers), size=n)] + 0.1 * rng.random((n, dim)))


@given(st.integers(1, 12), st.integers(0, 100))
def test_scores_are_those_of_loops(n_items, seed):
    rng = np.random.default_rng(seed)
    items, users = draw(n_items, seed=seed), np.float32(rng.standard_normal((4, 5)))
    lists = [np.flatnonzero(rng.random(n_items) < share) for share in (0, 0.3, 0.6, 1)]
    plain = Embeddings(users, items, np.float32(rng.standard_normal(n_items)))
    model = ItemNeighbors.fit(items, 3.0)
    found = model.added_to(plain, Interactions.from_rows(lists))
    near = kernel(items, items)
    expected = np.asarray(score_block(plain, np.arange(4)), float)
    for user, own in enumerate(lists):
        for item in range(n_items):
            others = [near[item, j] for j in own if j != item]
            expected[user, item] += 3.0 * sum(others) / max(len(own), 1)
            parts = model.shares(own, item)
            np.testing.assert_allclose(
                parts,
                [3.0 * near[item, j] * (j != item) / len(own) for j in own],
                atol=1e-4,
            )
    np.testing.assert_allclose(score_block(found, np.arange(4)), expected, rtol=1e-4, atol=1e-4)
    joined = score_block(found.joined(), np.arange(4))
    np.testing.assert_allclose(joined, expected, rtol=1e-4, atol=1e-4)


def off_diagonal(rows):
    """The kernel of items of which none is its own neighbor."""
    near = kernel(rows, rows)
    np.fill_diagonal(near, 0)
    return near


def approximation(found):
    return np.asarray(found.features * found.signs, float) @ found.features.T


def test_few_columns_stand_for_a_large_catalog(monkeypatch):
    monkeypatch.setattr(item_neighbors, "MAX_COLUMNS", 60)
    items = draw(450, dim=16)
    found = ItemNeighbors.fit(items, 1.0)
    assert found.features.shape == found.basis.shape == (450, 60)
    near = off_diagonal(items)
    sizes = np.sort(np.abs(np.linalg.eigvalsh(near)))
    best = np.sqrt((sizes[:-60] ** 2).sum())  # nothing of that rank is nearer (Eckart and Young)
    error = np.linalg.norm(approximation(found) - near)
    assert best < error < 1.05 * best


@pytest.mark.parametrize("n_items", [257, 300, 600])
def test_too_few_columns_make_no_neighbors_of_strangers(n_items):
    items = np.float32(np.random.default_rng(0).standard_normal((n_items, 16)))
    items[1::100] = items[::100][: len(items[1::100])] + 0.01  # and a few twins
    near = off_diagonal(items)
    found = approximation(ItemNeighbors.fit(items, 1.0))
    twins = near > 0.9
    assert twins.any()
    np.testing.assert_allclose(found[twins], near[twins], atol=0.02)
    strangers = ~twins & ~np.eye(n_items, dtype=bool)
    assert np.abs(found - near)[strangers].max() < 0.1


def test_an_item_has_the_columns_that_it_would_get_as_a_new_one():
    items = draw(20)
    found = ItemNeighbors.fit(items, 1.0)
    # As a new one it is a neighbor of its former self.
    itself = found.features_of(items) - found.basis
    np.testing.assert_allclose(itself, found.features, atol=1e-3)
    # Length is of no account.
    same = found.features_of(7 * items[:3])
    np.testing.assert_allclose(same, found.features_of(items[:3]), rtol=1e-3, atol=1e-3)


def test_new_items_are_near_what_the_kernel_says():
    rng = np.random.default_rng(1)
    items = draw(30)
    new = items[:4] + 0.05 * np.float32(rng.standard_normal((4, 5)))
    found = ItemNeighbors.fit(items, 1.0)
    near = found.features_of(new) * found.signs @ found.features.T
    np.testing.assert_allclose(near, kernel(new, items), atol=5e-3)
    assert found.features_of(new[:0]).shape == (0, found.features.shape[1])


def test_the_columns_of_users_are_means():
    model = ItemNeighbors.fit(draw(9), 2.0)
    signed = model.features * model.signs
    users = model.user_columns(Interactions.from_rows([[1, 4, 8], [], [0]]))
    assert users.dtype == np.float32
    np.testing.assert_allclose(users[0], signed[[1, 4, 8]].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(users[1], 0)
    np.testing.assert_allclose(users[2], signed[0], atol=1e-5)
    assert model.user_columns(Interactions.empty(0)).shape == (0, signed.shape[1])


@pytest.mark.parametrize("n_items", [1, 3])
def test_twins_and_items_without_an_embedding(n_items):
    items = np.zeros((n_items, 4), np.float32)
    items[:2] = 1
    found = ItemNeighbors.fit(items, 1.0)
    assert np.isfinite(found.features).all()
    np.testing.assert_allclose(approximation(found), off_diagonal(items), atol=1e-4)
