"""Splits of the reviews into train, valid and test, each user's apart from the others'.

Every policy is the same two steps: put the reviews of each user in an order, then hold out the last
ones, the very last for the test. The policies differ in the order and in how many are held out.
No policy holds out the only review of a user.
"""

import numpy as np

from symcere_jax.data.schema import SPLITS

TRAIN, VALID, TEST = (SPLITS.index(name) for name in ("train", "valid", "test"))


def split_by_ratio(
    user: np.ndarray,
    timestamp: np.ndarray | None,
    *,
    valid_share: float,
    test_share: float,
    seed: int,
) -> np.ndarray:
    """Holds out a share of each user's reviews, random ones or the latest.

    Of the n reviews of a user, `min(⌊n·(valid + test) + r⌋, n − 1)` are held out, and of these
    `min(⌊n·test + r⌋, held out)` for the test, where r is drawn from [0, 1) for each user. So a
    share that is no whole number is rounded up with the probability of its fraction, and over all
    users the shares hold however few reviews each has. Fixed rounding would give users of three
    reviews a test share of 0.33, and never a review for validation.

    Args:
        user: int `[n]`, rows 0 … n_users − 1, sorted.
        timestamp: int64 `[n]`, to hold out the latest (equal times in random order); None: random.
        valid_share: in [0, 1).
        test_share: in [0, 1), `valid_share + test_share < 1`.
        seed: of the random numbers.

    Returns:
        int8 `[n]`, an index into `SPLITS`.
    """
    rng = np.random.default_rng(seed)
    n_reviews = np.bincount(user)
    r = rng.random(len(n_reviews))
    n_held_out = np.floor(n_reviews * (valid_share + test_share) + r).astype(np.int64)
    n_held_out = np.minimum(n_held_out, n_reviews - 1)
    n_test = np.minimum(np.floor(n_reviews * test_share + r).astype(np.int64), n_held_out)
    return _hold_out(_places_from_last(user, timestamp, rng), user, n_held_out, n_test)


def split_leave_one_out(user: np.ndarray, timestamp: np.ndarray | None, *, seed: int) -> np.ndarray:
    """Holds out the last review of each user for the test, the one before for validation.

    A user with two reviews has one for the test and none for validation, a user with one has it in
    train.

    Args:
        user: int `[n]`, rows 0 … n_users − 1, sorted.
        timestamp: int64 `[n]`, to hold out the latest (equal times in random order); None: random.
        seed: of the random numbers.

    Returns:
        int8 `[n]`, an index into `SPLITS`.
    """
    rng = np.random.default_rng(seed)
    n_reviews = np.bincount(user)
    n_held_out = np.minimum(n_reviews - 1, 2)
    n_test = np.minimum(n_reviews - 1, 1)
    return _hold_out(_places_from_last(user, timestamp, rng), user, n_held_out, n_test)


def _places_from_last(
    user: np.ndarray, timestamp: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Place of each review among its user's, 0 for the last in time, or in a random order."""
    n = len(user)
    keys = (rng.random(n),) if timestamp is None else (rng.random(n), timestamp)
    order = np.lexsort((*keys, user))
    end_of_user = np.cumsum(np.bincount(user))
    places = np.empty(n, np.int64)
    places[order] = end_of_user[user] - 1 - np.arange(n)  # user[order] is user: it is sorted
    return places


def _hold_out(
    places: np.ndarray, user: np.ndarray, n_held_out: np.ndarray, n_test: np.ndarray
) -> np.ndarray:
    split = np.full(len(user), TRAIN, np.int8)
    split[places < n_held_out[user]] = VALID
    split[places < n_test[user]] = TEST
    return split
