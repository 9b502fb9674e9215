"""The decomposition, against NumPy's exact one and scikit-learn's randomised one."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.utils.extmath import randomized_svd

from symcere_jax.text.encoders import decomposition
from symcere_jax.text.encoders.decomposition import RowBlocks, right_singular_vectors


def sparse(n_rows: int, n_columns: int, seed: int = 0) -> scipy.sparse.csr_matrix:
    """A matrix without negative values, of which a few directions hold the most, as of texts."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(0.5, size=(n_rows, 8)) @ rng.gamma(0.3, size=(8, n_columns))
    return scipy.sparse.csr_matrix(rng.poisson(mean / 10).astype(np.float32))


def blocks(matrix: scipy.sparse.csr_matrix, scratch=None, size: int = 17) -> RowBlocks:
    parts = (matrix[start : start + size] for start in range(0, matrix.shape[0], size))
    return RowBlocks(parts, matrix.shape[1], scratch)


def scaled_difference(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.abs(left - right).max() / np.abs(right).max())


@pytest.mark.parametrize("shape", [(12, 90), (90, 12), (30, 30)])
def test_small_matrices_are_decomposed_exactly(shape):
    matrix = sparse(*shape) + scipy.sparse.eye_array(*shape, dtype=np.float32, format="csr")
    width = min(shape) - 1
    vectors, products = right_singular_vectors(blocks(matrix), width, seed=0)
    _, values, expected = np.linalg.svd(matrix.toarray().astype(float), full_matrices=False)
    assert vectors.dtype == products.dtype == np.float32
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(width), atol=1e-5)
    signs = np.sign((vectors * expected[:width].T).sum(axis=0))
    np.testing.assert_allclose(vectors, expected[:width].T * signs, atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(products, axis=0), values[:width], rtol=1e-4)


@pytest.mark.parametrize("shape", [(200, 900), (900, 200)])
def test_larger_ones_as_by_scikit_learn(shape):
    matrix = sparse(*shape)
    vectors, products = right_singular_vectors(blocks(matrix), 20, seed=3)
    _, _, expected = randomized_svd(matrix, 20, n_iter=4, random_state=3)
    sizes = np.linalg.norm(matrix @ expected.T, axis=0)
    np.testing.assert_allclose(np.linalg.norm(products, axis=0), sizes, rtol=1e-4)
    # The same random numbers give the same range, beyond what is determined by the matrix alone.
    projection = vectors @ vectors.T
    assert scaled_difference(projection, expected.T @ expected) < 2e-3
    np.testing.assert_allclose(products, matrix @ vectors, rtol=1e-3, atol=1e-3)
    largest = products[np.abs(products).argmax(axis=0), np.arange(20)]
    assert (largest > 0).all()


def test_the_error_is_hardly_more_than_the_least_possible():
    matrix = sparse(150, 400)
    vectors, _ = right_singular_vectors(blocks(matrix), 30, seed=0)
    dense = matrix.toarray().astype(float)
    left_out = np.linalg.norm(dense - dense @ vectors @ vectors.T)
    least = np.linalg.norm(np.linalg.svd(dense, compute_uv=False)[30:])
    assert least <= left_out < 1.003 * least


def test_blocks_on_disk_and_of_any_size_change_nothing(tmp_path, monkeypatch):
    matrix = sparse(120, 500)
    before = right_singular_vectors(blocks(matrix), 9, seed=0)
    monkeypatch.setattr(decomposition, "_BLOCK_VALUES", 500)
    monkeypatch.setattr(decomposition, "_COLUMNS", 4)
    monkeypatch.setattr(decomposition, "_DENSE_ROWS", 50)
    stored = blocks(matrix, tmp_path)
    assert len(list(tmp_path.iterdir())) > 6
    assert stored.shape == matrix.shape
    after = right_singular_vectors(stored, 9, seed=0)
    for left, right in zip(before, after, strict=True):
        assert scaled_difference(left, right) < 1e-3


@pytest.mark.parametrize("shape", [(40, 200), (200, 40), (8, 30)])
def test_directions_that_are_not_there_are_zero(shape):
    row = sparse(1, shape[1]) + scipy.sparse.csr_matrix(np.ones((1, shape[1]), np.float32))
    matrix = scipy.sparse.vstack([row] * shape[0], format="csr")  # of rank one
    vectors, products = right_singular_vectors(blocks(matrix), 6, seed=0)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), [1, 0, 0, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(products[:, 1:], 0, atol=1e-2)
    np.testing.assert_allclose(products @ vectors.T, matrix.toarray(), rtol=1e-3)
