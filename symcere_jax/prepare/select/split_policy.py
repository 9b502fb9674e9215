"""Which policy splits the reviews, and what it needs of them."""

import numpy as np

from symcere_jax.errors import DataError
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.select import filtering, splitting
from symcere_jax.prepare.select.selection import NO_SPLIT, NO_TIME, Selection
from symcere_jax.prepare.settings import PrepareSettings

_BY_USER = ("ratio", "leave_one_out", "temporal")
_COLD = ("cold_item", "cold_user")
_BY_SHARES = ("ratio", "temporal", "global_time", "cold_item", "cold_user")


def split_reviews(
    store: ReviewStore, selection: Selection, config: PrepareSettings
) -> tuple[dict[str, object], np.ndarray]:
    """Splits the reviews by the policy asked for, or by the one that the data suggests.

    With a predefined split, the k-core has been taken over the rows of all splits together.

    Args:
        store: holds the raw rows.
        selection: the reviews; those that a minimum history leaves out are dropped from it.
        config: the settings.

    Returns:
        The settings of the split for the manifest, and int8 `[n]`, an index into `schema.SPLITS`.

    Raises:
        DataError: the policy needs timestamps or split names that rows lack, or no review is in
            train.
    """
    policy = config.split or _suggested(store)
    min_history = config.min_history
    if min_history is None:
        min_history = 1 if policy in _BY_USER else 0
    split = _split(policy, min_history, store, selection, config)
    if min_history and policy not in _BY_USER:
        split = drop_short_histories(selection, split, min_history)
    if not (split == splitting.TRAIN).any():
        raise DataError(
            f"none of the {len(split):,} reviews is in split 'train'; --split=ratio splits anew"
        )
    settings: dict[str, object] = {"policy": policy}
    if policy not in ("predefined", "global_time"):
        settings["seed"] = config.seed
    if policy in _BY_SHARES:
        settings |= {"valid_share": config.valid_share, "test_share": config.test_share}
    if policy in _COLD:
        settings["warm_share"] = config.warm_share
    if config.min_history is not None:
        settings["min_history"] = min_history
    return settings, split


def _suggested(store: ReviewStore) -> str:
    (n_with_split,) = store.one("SELECT count(split) FROM raw")
    return "predefined" if n_with_split else "ratio"


def _split(
    policy: str,
    min_history: int,
    store: ReviewStore,
    selection: Selection,
    config: PrepareSettings,
) -> np.ndarray:
    shares = {"valid_share": config.valid_share, "test_share": config.test_share}
    if policy == "predefined":
        return _predefined(store, selection)
    if policy in _COLD:
        codes, n = selection.item, selection.n_items
        if policy == "cold_user":
            codes, n = selection.user, selection.n_users
        split = splitting.split_cold(codes, n, **shares, seed=config.seed)
        if config.warm_share:
            warm = split == splitting.TRAIN
            split[warm] = splitting.split_by_ratio(
                np.asarray(selection.user[warm]),
                None,
                valid_share=config.warm_share,
                test_share=config.warm_share,
                seed=config.seed,
                min_history=max(1, min_history),
            )
        return split
    timestamp = None
    missing = selection.timestamp == NO_TIME
    if policy in ("temporal", "global_time") or (policy == "leave_one_out" and not missing.all()):
        _check_timestamps(store, selection, missing, policy)
        timestamp = selection.timestamp
    if policy == "global_time":
        assert timestamp is not None
        return splitting.split_by_global_time(timestamp, **shares)
    if policy == "leave_one_out":
        return splitting.split_leave_one_out(
            selection.user, timestamp, seed=config.seed, min_history=min_history
        )
    return splitting.split_by_ratio(
        selection.user, timestamp, **shares, seed=config.seed, min_history=min_history
    )


def _predefined(store: ReviewStore, selection: Selection) -> np.ndarray:
    (row,) = store.one("SELECT min(row) FROM raw WHERE split IS NULL")
    if row is not None:
        raise DataError(
            f"{store.where(row)}: split is missing, but other rows have one; give it to all, or "
            "split anew by --split=ratio"
        )
    split = np.array(selection.split)
    assert not (split == NO_SPLIT).any()
    return split


def _check_timestamps(
    store: ReviewStore, selection: Selection, missing: np.ndarray, policy: str
) -> None:
    if missing.any():
        raise DataError(
            f"{store.first(selection.row[missing])}: no timestamp, but --split={policy} goes by "
            f"time ({missing.sum()} of {len(missing)} reviews have none); use --split=ratio, or "
            "name --time_field"
        )


def drop_short_histories(
    selection: Selection, split: np.ndarray, min_history: int, kept: np.ndarray | None = None
) -> np.ndarray:
    """Leaves out held-out reviews of users with few training reviews.

    Args:
        selection: the reviews, of which they are dropped.
        split: int8 `[n]`, an index into `schema.SPLITS`.
        min_history: least number of training reviews.
        kept: bool `[n]`, reviews that stay in any case.

    Returns:
        The split of those that are left.
    """
    in_train = split == splitting.TRAIN
    history = filtering.counts(selection.user, in_train, selection.n_users)
    stays = history[selection.user] >= min_history
    kept = in_train | stays if kept is None else in_train | stays | kept
    selection.drop(kept, f"held out, by a user with under {min_history} training reviews")
    return split[kept]


def cold_counts(selection: Selection, split: np.ndarray) -> tuple[int, int]:
    """Number of users, and of items, without a training review."""
    in_train = split == splitting.TRAIN
    n_of_user = filtering.counts(selection.user, in_train, selection.n_users)
    n_of_item = filtering.counts(selection.item, in_train, selection.n_items)
    return int((n_of_user == 0).sum()), int((n_of_item == 0).sum())
