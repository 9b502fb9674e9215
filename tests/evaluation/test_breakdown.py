import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from symcere_jax.evaluation.breakdown import Bucket, find_gains, ndcg_by_bucket, quantile_buckets
from symcere_jax.evaluation.evaluate import evaluate

from . import folders

EMPTY = Bucket(10, 12, np.array([], np.int64))


def test_buckets_of_distinct_counts_are_of_equal_size():
    counts = np.random.default_rng(0).permutation(20)
    buckets = quantile_buckets(counts, 4)
    assert [(bucket.low, bucket.high) for bucket in buckets] == [(0, 4), (5, 9), (10, 14), (15, 19)]
    for bucket in buckets:
        within = (counts >= bucket.low) & (counts <= bucket.high)
        np.testing.assert_array_equal(bucket.members, np.flatnonzero(within))


def test_equal_counts_stay_together():
    buckets = quantile_buckets(np.array([1, 1, 1, 1, 1, 1, 7, 9]), 4)
    assert [(bucket.low, bucket.high) for bucket in buckets] == [(1, 1), (7, 9)]
    assert len(quantile_buckets(np.full(10, 3), 5)) == 1
    assert quantile_buckets(np.array([], int), 3) == []


@given(hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 30)), st.integers(1, 7))
def test_buckets_are_an_ordered_partition(counts, n_buckets):
    buckets = quantile_buckets(counts, n_buckets)
    assert 1 <= len(buckets) <= n_buckets
    members = np.concatenate([bucket.members for bucket in buckets])
    assert sorted(members) == list(range(len(counts)))
    for bucket in buckets:
        assert (bucket.low, bucket.high) == (
            counts[bucket.members].min(),
            counts[bucket.members].max(),
        )
    for before, after in itertools.pairwise(buckets):
        assert before.high < after.low


def test_gains_by_hand():
    recommended = np.array([[5, 3, 1], [2, -1, -1]])
    held_out = np.array([[4, 3], [4, 9], [7, 2], [4, 1]])
    gains = find_gains(recommended, np.array([4, 7]), held_out, 2)
    np.testing.assert_allclose(gains, [1 / math.log2(3), 0, 1, 0])  # item 1 is beyond rank 2


def test_ndcg_by_bucket_by_hand():
    gains, users = np.array([1.0, 0.5, 0.0, 0.0]), np.array([0, 0, 0, 2])
    buckets = [Bucket(0, 1, np.array([0, 1, 2])), Bucket(2, 9, np.array([3])), EMPTY]
    first, second, empty = ndcg_by_bucket(gains, users, buckets, 2)
    # Three held-out items, but two ranks.
    np.testing.assert_allclose(first, [1.5 / (1 + 1 / math.log2(3))])
    np.testing.assert_array_equal(second, [0.0])
    assert len(empty) == 0


@pytest.mark.parametrize("k", [1, 5])
def test_one_bucket_is_ndcg(k):
    data = folders.random_dataset()
    scores = np.random.default_rng(3).random((data.n_users, data.n_items), np.float32)
    found = evaluate(lambda table, users: table[users], scores, data, "test", ks=(k,))
    gains = find_gains(found.recommended, found.users, data.test, k)
    everything = [Bucket(0, 9, np.arange(len(data.test)))]
    (ndcg,) = ndcg_by_bucket(gains, data.test[:, 0], everything, k)
    np.testing.assert_allclose(ndcg, found.per_user[f"ndcg@{k}"])
