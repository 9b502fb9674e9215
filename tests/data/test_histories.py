import dataclasses

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.data import Histories


def test_users_without_items_have_empty_lists():
    lists = Histories.from_pairs(np.int32([[1, 4], [1, 2]]), 3, 9)
    users = jnp.array([0, 1, 2])
    assert lists.padded(users, fill=9).tolist() == [[9, 9], [2, 4], [9, 9]]
    assert lists.counts(users).tolist() == [0, 2, 0]
    assert dataclasses.replace(lists, longest=0).padded(users, fill=9).shape == (3, 0)


@settings(max_examples=12, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 20))))
def test_contains_is_membership(pairs):
    lists = Histories.from_pairs(np.int32(sorted(pairs)).reshape(-1, 2), 4, 21)
    users, items = (axis.ravel() for axis in np.mgrid[:4, -1:22])
    found = lists.contains(users, items)
    expected = [pair in pairs for pair in zip(users.tolist(), items.tolist(), strict=True)]
    assert found.tolist() == expected
