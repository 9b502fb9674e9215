import types

import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.data import Interactions, ReviewDataset
from symcere_jax.models.review_times import time_neighbors

N_USERS, N_ITEMS = 9, 6
PAIRS = np.int32([(user, item) for user in range(N_USERS) for item in range(user % 4)])


def reviews_at(times):
    """A data set of the pairs, whose reviews are at given times, and one of the test split."""
    table = pa.table({
        "user": pa.array([*PAIRS[:, 0], 0], pa.int32()),
        "item": pa.array([*PAIRS[:, 1], 5], pa.int32()),
        "timestamp": pa.array([*times, 7], pa.int64()),
        "split": ["train"] * len(PAIRS) + ["test"],
    })  # fmt: skip
    return types.SimpleNamespace(n_users=N_USERS, n_items=N_ITEMS, reviews=table.select)


def expected(times):
    """Features of items and columns of users, by one review after another."""
    known = [(*pair, t) for pair, t in zip(PAIRS, times, strict=True) if t is not None]
    of_item = {item: [] for item in range(N_ITEMS)}
    of_user = {user: [] for user in range(N_USERS)}
    ordered = sorted(t for *_, t in known)
    for user, item, t in known:
        rank = np.mean([place for place, other in enumerate(ordered) if other == t])
        period = min(int(rank / (len(known) - 1) * 64), 63)
        kernel = np.exp(-(((np.arange(64) - period) / 1.5) ** 2) / 2)
        of_item[item].append(kernel / kernel.sum())
        of_user[user].append(kernel / kernel.sum())
    shares = [(10 / 64 + sum(ks, np.zeros(64))) / (10 + len(ks)) for ks in of_item.values()]
    features = 8 * (np.array(shares) - 1 / 64)
    users = np.zeros((N_USERS, 64))
    for user, kernels in of_user.items():
        likes = PAIRS[PAIRS[:, 0] == user, 1]
        users[user] = features[likes].mean(axis=0) if len(likes) else 0
        if kernels:
            users[user] = (users[user] + 8 * (np.mean(kernels, axis=0) - 1 / 64)) / 2
    return features, users


def test_periods_equal_those_counted_one_by_one():
    rng = np.random.default_rng(0)
    times = [None if rng.random() < 0.3 else int(rng.integers(1e9, 1e9 + 8)) for _ in PAIRS]
    neighbors, users = time_neighbors(reviews_at(times), Interactions.from_pairs(PAIRS, N_USERS))
    features, rows = expected(times)
    np.testing.assert_allclose(neighbors.features, features, atol=1e-6)
    np.testing.assert_allclose(users, rows, atol=1e-6)
    assert not neighbors.features[5].any()  # its only review is held out


@pytest.mark.parametrize("time", [None, 5])
def test_times_that_do_not_differ_say_nothing(time):
    dataset = reviews_at([time] * len(PAIRS))
    assert time_neighbors(dataset, Interactions.from_pairs(PAIRS, N_USERS)) is None


def test_a_data_set_knows_whether_its_times_differ(dataset):
    assert dataset.has_times()
    for time in (None, 7):
        assert not ReviewDataset.has_times(reviews_at([time] * len(PAIRS)))
