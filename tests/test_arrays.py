import math

import numpy as np
import pytest

from symcere_jax.arrays import unit_rows


@pytest.mark.parametrize("of", [np.float16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unit_rows_have_a_length_of_1(of, dtype):
    rows = (np.random.default_rng(0).normal(size=(20, 5)) * 9).astype(of)
    rows[[3, 7]] = 0
    found = unit_rows(rows, dtype)
    assert found.dtype == dtype
    for row, unit in zip(rows.tolist(), found, strict=True):
        norm = math.sqrt(sum(value * value for value in row))
        expected = [value / (norm or 1) for value in row]
        np.testing.assert_allclose(unit, expected, rtol=4 * np.finfo(dtype).eps, atol=0)


def test_unit_rows_of_small_and_large_numbers():
    # Their squares are beyond the type they come in.
    np.testing.assert_allclose(unit_rows(np.float16([[1e-6, 0], [6e4, 0]])), [[1, 0], [1, 0]])
    np.testing.assert_allclose(unit_rows([[1e-30, 0.0], [1e30, 0.0]]), [[1, 0], [1, 0]])


def test_unit_rows_are_a_new_array():
    rows = np.eye(3, dtype=np.float32)
    unit_rows(rows)[0] = 7
    np.testing.assert_array_equal(rows, np.eye(3))
