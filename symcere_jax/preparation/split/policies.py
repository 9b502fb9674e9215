"""Policies that split reviews into train, valid and test.

Three split the reviews of each user: put them in an order, then hold out the last ones, the very
last for the test. They differ in the order and in how many are held out. `user`, int `[n]`, holds
the rows 0 … n_users − 1, sorted, and at least `min_history` reviews of a user stay in train. The
others split all reviews: by time, by items, or by users.

All return int8 `[n]`, an index into `SPLITS`. Shares are in [0, 1), and their sum is below 1.
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
    min_history: int | np.ndarray = 1,
) -> np.ndarray:
    """Holds out a share of each user's reviews, random ones or the latest.

    Of the n reviews of a user, `min(⌊n·(valid + test) + r⌋, n − min_history)` are held out, and of
    these `min(⌊n·test + r⌋, held out)` for the test, where r is drawn from [0, 1) for each user. So
    a share that is no whole number is rounded up with the probability of its fraction, and over all
    users the shares hold however few reviews each has. Fixed rounding would give users with three
    reviews a test share of 0.33, and never a review for validation. Without timestamps, random
    reviews are held out; equal times are in random order. `min_history` may differ among users.
    """
    rng = np.random.default_rng(seed)
    n_reviews = np.bincount(user)
    r = rng.random(len(n_reviews))
    n_held_out = np.floor(n_reviews * (valid_share + test_share) + r).astype(np.int64)
    n_held_out = np.minimum(n_held_out, np.maximum(n_reviews - min_history, 0))
    n_test = np.minimum(np.floor(n_reviews * test_share + r).astype(np.int64), n_held_out)
    return _hold_out_last(user, timestamp, n_reviews, n_held_out, n_test, rng)


def split_leave_one_out(
    user: np.ndarray, timestamp: np.ndarray, *, seed: int, min_history: int = 1
) -> np.ndarray:
    """Holds out the last review of each user for the test, the one before for validation.

    With `min_history` of 1, a user with two reviews has one for the test and none for validation, a
    user with one has it in train. Equal times are in random order.
    """
    n_reviews = np.bincount(user)
    n_free = np.maximum(n_reviews - min_history, 0)
    n_held_out, n_test = np.minimum(n_free, 2), np.minimum(n_free, 1)
    rng = np.random.default_rng(seed)
    return _hold_out_last(user, timestamp, n_reviews, n_held_out, n_test, rng)


def split_by_fold(
    user: np.ndarray,
    *,
    n_folds: int,
    fold: int,
    valid_share: float,
    seed: int,
    min_history: int = 1,
) -> np.ndarray:
    """Holds out one of `n_folds` parts of each user's reviews, counted from 0, for the test.

    Over all folds of a seed, each review is in the test once, but for those that would leave a user
    with fewer than `min_history` reviews. Of the rest, a share of the n reviews of a user is for
    validation, rounded as in `split_by_ratio`.
    """
    rng = np.random.default_rng(seed)
    n_reviews = np.bincount(user)
    # Parts differ in size by one; which of them are larger is drawn for each user.
    order = np.lexsort((rng.random(len(user)), user))
    places = np.empty(len(user), np.int64)
    places[order] = np.arange(len(user)) - np.repeat(np.cumsum(n_reviews) - n_reviews, n_reviews)
    is_test = (places + rng.integers(n_folds, size=len(n_reviews))[user]) % n_folds == fold
    n_free = np.maximum(n_reviews - min_history, 0)
    n_test = np.minimum(np.bincount(user[is_test], minlength=len(n_reviews)), n_free)
    n_valid = np.floor(n_reviews * valid_share + rng.random(len(n_reviews))).astype(np.int64)
    n_held_out = np.minimum(n_test + n_valid, n_free)
    return _hold_out_last(user, is_test, n_reviews, n_held_out, n_test, rng)


def split_by_global_time(
    timestamp: np.ndarray,
    *,
    valid_share: float,
    test_share: float,
    cuts: tuple[int, int] | None = None,
) -> np.ndarray:
    """Holds out the end of the time line that all reviews share.

    Reviews at or after the time of the `⌈n·test⌉`-th latest are the test, those before it but at or
    after the time of the `⌈n·(valid + test)⌉`-th latest are for validation; or, in place of shares,
    those from the two times of `cuts`. Equal times are never separated, so that all of train is
    before valid, and valid before test.
    """
    if cuts is not None:
        return np.searchsorted(cuts, timestamp, side="right").astype(np.int8)
    latest_first = np.sort(timestamp)[::-1]
    split = np.full(len(timestamp), TRAIN, np.int8)
    for share, code in ((valid_share + test_share, VALID), (test_share, TEST)):
        # Without the tolerance, a share such as 0.1 + 0.2 may count one review too many.
        n_held_out = int(np.ceil(len(timestamp) * share - 1e-9))
        if n_held_out:
            split[timestamp >= latest_first[n_held_out - 1]] = code
    return split


def split_cold(
    owner: np.ndarray, *, valid_share: float, test_share: float, seed: int
) -> np.ndarray:
    """Holds out all reviews of some items, or of some users, which are chosen at random.

    `owner`, int `[n]`, is the item, or the user, of each review. Of m of them, `⌊m·test + ½⌋` are
    for the test, and more up to `⌊m·(valid + test) + ½⌋` for validation; one at least stays in
    train.
    """
    n_owners = int(owner.max()) + 1
    n_held_out = min(int(n_owners * (valid_share + test_share) + 0.5), n_owners - 1)
    n_test = min(int(n_owners * test_share + 0.5), n_held_out)
    order = np.random.default_rng(seed).permutation(n_owners)
    split_of_owner = np.full(n_owners, TRAIN, np.int8)
    split_of_owner[order[:n_held_out]] = VALID
    split_of_owner[order[:n_test]] = TEST
    return split_of_owner[owner]


def _hold_out_last(
    user: np.ndarray,
    key: np.ndarray | None,
    n_reviews: np.ndarray,
    n_held_out: np.ndarray,
    n_test: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Holds out the last of each user's reviews, by the key and then at random."""
    keys = [rng.random(len(user)), *([] if key is None else [key])]
    order = np.lexsort((*keys, user))
    places = np.empty(len(user), np.int64)
    # Places from the last; user[order] is user, as it is sorted.
    places[order] = np.cumsum(n_reviews)[user] - 1 - np.arange(len(user))
    split = np.full(len(user), TRAIN, np.int8)
    split[places < n_held_out[user]] = VALID
    split[places < n_test[user]] = TEST
    return split
