import numpy as np
import pytest

from symcere_jax.data.interactions import Interactions


def _group(pairs, n_users):
    return Interactions.from_pairs(np.array(pairs, np.int32), n_users)


def test_interactions_group_pairs_by_user():
    seen = _group([(2, 5), (0, 3), (2, 1), (2, 4)], 4)
    np.testing.assert_array_equal(seen.indptr, [0, 1, 1, 4, 4])
    np.testing.assert_array_equal(seen.items, [3, 1, 4, 5])
    np.testing.assert_array_equal(seen.counts(np.array([2, 1, 0])), [3, 0, 1])
    rows, items = seen.flat(np.array([2, 1, 0, 2]))
    np.testing.assert_array_equal(rows, [0, 0, 0, 2, 3, 3, 3])
    np.testing.assert_array_equal(items, [1, 4, 5, 3, 1, 4, 5])


def test_padded_items():
    seen = _group([(2, 5), (0, 3), (2, 1)], 4)
    users = np.array([2, 1, 0])
    table = seen.padded(users, fill=9)
    assert table.dtype == np.int32
    np.testing.assert_array_equal(table, [[1, 5], [9, 9], [3, 9]])
    np.testing.assert_array_equal(seen.padded(users, 9, 3)[:, 2], 9)
    assert seen.padded(np.array([1, 3]), 9).shape == (2, 0)
    with pytest.raises(ValueError, match="width is 1, but a user has 2 items"):
        seen.padded(users, 9, 1)
