import dataclasses

import jax.numpy as jnp
import numpy as np

from symcere_jax.training.user_items import UserItems


def test_users_without_items_have_empty_lists():
    lists = UserItems.from_pairs(np.int32([[1, 4], [1, 2]]), 3)
    users = jnp.array([0, 1, 2])
    assert lists.padded(users, fill=9).tolist() == [[9, 9], [2, 4], [9, 9]]
    assert lists.counts(users).tolist() == [0, 2, 0]
    assert dataclasses.replace(lists, longest=0).padded(users, fill=9).shape == (3, 0)


def test_long_lists_are_read_in_part_from_any_start():
    pairs = [(0, item) for item in range(7)] + [(1, 3), (1, 5)]
    lists = UserItems.from_pairs(np.int32(pairs), 3)
    users = np.array([0, 0, 1, 2])
    found = lists.padded(users, 99, 4, first=np.array([0, 5, 1, 6]))
    assert found.tolist() == [[0, 1, 2, 3], [5, 6, 0, 1], [5, 3, 99, 99], [99] * 4]
    assert lists.padded(users, 99, 4)[0].tolist() == [0, 1, 2, 3]
    assert lists.padded(users, 99, 8)[0].tolist() == lists.padded(users, 99)[0].tolist()
    assert lists.padded(users, 99)[0].tolist() == [0, 1, 2, 3, 4, 5, 6]
