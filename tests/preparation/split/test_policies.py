import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.preparation.split.policies import (
    TEST,
    TRAIN,
    VALID,
    split_by_fold,
    split_by_global_time,
    split_by_ratio,
    split_cold,
    split_leave_one_out,
)

COUNTS = st.lists(st.integers(1, 15), min_size=1, max_size=20)
SHARES = st.sampled_from([(0.1, 0.2), (0.0, 0.0), (0.0, 0.5), (0.3, 0.0), (0.45, 0.5)])


def users_of(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def counts_of_user(split: np.ndarray, user: np.ndarray, u: int) -> list[int]:
    return [int((split[user == u] == code).sum()) for code in (TRAIN, VALID, TEST)]


@given(COUNTS, SHARES, st.integers(0, 5))
def test_every_user_has_the_shares_rounded_to_a_neighbor(counts, shares, seed):
    valid_share, test_share = shares
    user = users_of(counts)
    split = split_by_ratio(user, None, valid_share=valid_share, test_share=test_share, seed=seed)
    assert split.dtype == np.int8
    assert set(split.tolist()) <= {TRAIN, VALID, TEST}
    for u, n in enumerate(counts):
        n_train, n_valid, n_test = counts_of_user(split, user, u)
        assert n_train + n_valid + n_test == n
        assert n_train >= 1
        assert n_test < n * test_share + 1
        assert n_valid < n * valid_share + 1
        exact = n * (valid_share + test_share)
        assert n_valid + n_test > min(exact - 1, n - 2)


def test_shares_hold_over_users_of_three_reviews():
    user = users_of([3] * 20_000)
    split = split_by_ratio(user, None, valid_share=0.1, test_share=0.2, seed=0)
    shares = np.bincount(split) / len(split)
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.01)


def test_random_split_has_no_favorite_place():
    user = users_of([10] * 5_000)
    split = split_by_ratio(user, None, valid_share=0.0, test_share=0.3, seed=0)
    of_place = (split.reshape(-1, 10) == TEST).mean(axis=0)
    np.testing.assert_allclose(of_place, 0.3, atol=0.03)


@given(COUNTS, SHARES, st.randoms(use_true_random=False))
def test_by_time_train_is_before_valid_is_before_test(counts, shares, random):
    user = users_of(counts)
    time = np.array([random.randint(0, 5) for _ in user])
    split = split_by_ratio(user, time, valid_share=shares[0], test_share=shares[1], seed=0)
    for u in range(len(counts)):
        times = [time[(user == u) & (split == code)] for code in (TRAIN, VALID, TEST)]
        present = [part for part in times if len(part)]
        for earlier, later in itertools.pairwise(present):
            assert earlier.max() <= later.min()


@given(COUNTS)
def test_leave_one_out_holds_out_the_latest(counts):
    user = users_of(counts)
    time = np.random.default_rng(len(user)).permutation(len(user))
    split = split_leave_one_out(user, time, seed=0)
    for u, n in enumerate(counts):
        by_time = [
            int(split[row]) for row in sorted(np.flatnonzero(user == u), key=lambda r: time[r])
        ]
        expected = [TRAIN] * n
        if n >= 2:
            expected[-1] = TEST
        if n >= 3:
            expected[-2] = VALID
        assert by_time == expected


@given(COUNTS, st.integers(2, 6), st.integers(0, 5), st.integers(0, 3))
def test_each_review_is_in_the_test_of_one_fold(counts, n_folds, seed, least):
    user = users_of(counts)
    splits = np.array(
        [
            split_by_fold(
                user, n_folds=n_folds, fold=fold, valid_share=0.2, seed=seed, min_history=least
            )
            for fold in range(n_folds)
        ]
    )
    times = (splits == TEST).sum(axis=0)
    for u, n in enumerate(counts):
        sizes = (splits[:, user == u] == TEST).sum(axis=1)
        if n - -(-n // n_folds) >= least:  # no fold would leave too few
            assert (times[user == u] == 1).all() and np.ptp(sizes) <= 1
        assert ((splits[:, user == u] == TRAIN).sum(axis=1) >= min(least, n)).all()
        for split in splits:
            n_valid = counts_of_user(split, user, u)[1]
            assert n_valid <= int(0.2 * n) + 1


@pytest.mark.parametrize(
    "split",
    [
        functools.partial(split_by_ratio, users_of([8] * 30), None),
        functools.partial(split_cold, np.arange(50)),
    ],
)
def test_equal_seeds_give_equal_splits_and_others_differ(split):
    splits = [split(valid_share=0.1, test_share=0.2, seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(splits[0], splits[1])
    assert (splits[0] != splits[2]).any()


def test_equal_times_are_in_random_order():
    user = users_of([10] * 2_000)
    split = split_leave_one_out(user, np.zeros(len(user), np.int64), seed=0)
    of_place = (split.reshape(-1, 10) == TEST).mean(axis=0)
    np.testing.assert_allclose(of_place, 0.1, atol=0.03)


@pytest.mark.parametrize("least", [0, 1, 2, 5, 100])
def test_a_user_of_whom_a_review_is_held_out_keeps_the_minimum_history(least):
    user = users_of([1, 2, 3, 4, 9, 30])
    by_ratio = split_by_ratio(
        user, None, valid_share=0.4, test_share=0.5, seed=0, min_history=least
    )
    time = np.zeros(len(user), np.int64)
    one_out = split_leave_one_out(user, time, seed=0, min_history=least)
    for split in (by_ratio, one_out):
        for u in range(6):
            n_train, n_valid, n_test = counts_of_user(split, user, u)
            assert n_train >= least or n_valid + n_test == 0
    assert ((one_out != TRAIN).sum() > 0) == (least < 30)


TIMES = st.lists(st.integers(0, 9), min_size=1, max_size=60)


@given(TIMES, SHARES)
def test_global_time_cuts_between_different_times(times, shares):
    time = np.array(times)
    split = split_by_global_time(time, valid_share=shares[0], test_share=shares[1])
    parts = [time[split == code] for code in (TRAIN, VALID, TEST)]
    for earlier, later in itertools.combinations([part for part in parts if len(part)], 2):
        assert earlier.max() < later.min()
    n, held_out = len(time), len(parts[1]) + len(parts[2])
    # No fewer than asked for, and without the earliest of their times, fewer.
    for share, part, size in (
        (shares[1], parts[2], len(parts[2])),
        (sum(shares), np.concatenate(parts[1:]), held_out),
    ):
        assert size >= n * share - 1e-6
        if len(part):
            assert (part > part.min()).sum() < n * share


@given(st.integers(1, 40), SHARES, st.integers(0, 3))
def test_cold_holds_out_whole_items(n_items, shares, seed):
    codes = np.random.default_rng(seed).integers(n_items, size=200)
    split = split_cold(codes, valid_share=shares[0], test_share=shares[1], seed=seed)
    of_item = {item: set(split[codes == item].tolist()) for item in codes.tolist()}
    assert all(len(splits) == 1 for splits in of_item.values())
    every = split_cold(np.arange(n_items), valid_share=shares[0], test_share=shares[1], seed=seed)
    n_train, n_valid, n_test = np.bincount(every, minlength=3)
    assert n_train >= 1
    if n_train > 1:
        assert abs(n_test - n_items * shares[1]) <= 0.5 + 1e-9
        assert abs(n_valid + n_test - n_items * sum(shares)) <= 0.5 + 1e-9
