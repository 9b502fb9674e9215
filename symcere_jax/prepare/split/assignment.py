"""Assigns each selected review to a split, by the policy asked for or the one the data suggests."""

from typing import Any

import numpy as np

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.select.k_core import counts
from symcere_jax.prepare.select.selection import NO_SPLIT, NO_TIME, Selection
from symcere_jax.prepare.settings import SplitSettings
from symcere_jax.prepare.split import policies
from symcere_jax.prepare.split.policies import TRAIN

_BY_USER = ("ratio", "leave_one_out", "temporal")
_BY_SHARES = ("ratio", "temporal", "global_time", "cold_item", "cold_user")
_COLD = ("cold_item", "cold_user")


def split_reviews(
    selection: Selection, store: ReviewStore, settings: SplitSettings
) -> dict[str, Any]:
    """Fills in `selection.split`.

    With a predefined split, the k-core has been taken over the rows of all splits together.

    Args:
        selection: the reviews; those that a minimum history leaves out are dropped from it.
        store: holds the raw rows.
        settings: policy, shares and seed.

    Returns:
        The settings of the split for the manifest.

    Raises:
        DataError: the policy needs timestamps or split names that rows lack, or no review is in
            train.
    """
    policy = settings.split or ("ratio" if _is_unsplit(selection) else "predefined")
    min_history = settings.min_history
    if min_history is None:
        min_history = 1 if policy in _BY_USER else 0
    if policy == "predefined":
        _check_complete(selection, store)
    else:
        selection.split = _split(policy, min_history, selection, store, settings)
    if policy not in _BY_USER:
        drop_short_histories(selection, min_history)
    if not (selection.split == TRAIN).any():
        raise DataError(
            f"none of the {len(selection):,} reviews is in split 'train'; --split=ratio splits anew"
        )
    described: dict[str, Any] = {"policy": policy}
    if policy not in ("predefined", "global_time"):
        described["seed"] = settings.seed
    if policy in _BY_SHARES:
        described |= {"valid_share": settings.valid_share, "test_share": settings.test_share}
    if policy in _COLD:
        described["warm_share"] = settings.warm_share
    if settings.min_history is not None:
        described["min_history"] = min_history
    return described


def split_appended(
    selection: Selection, store: ReviewStore, settings: SplitSettings, min_history: int | None
) -> dict[str, Any]:
    """Fills in `selection.split` for new reviews: as they say, by `--split=ratio`, or all to train.

    Held-out reviews that were there stay held out, and no training review is taken away. So a
    user's history counts all training reviews, those that were there and the new ones.

    Args:
        selection: the reviews; new ones that the minimum history leaves out are dropped from it.
        store: holds the raw rows.
        settings: policy, shares and seed.
        min_history: of the folder; it holds for new reviews too, unless a greater one is given.

    Returns:
        The settings of the split of new reviews for the manifest.

    Raises:
        ConfigError: the minimum history is below that of the folder.
        DataError: some of the new rows carry a split, and some do not.
    """
    if settings.min_history is not None:
        if min_history is not None and settings.min_history < min_history:
            raise ConfigError(
                f"--min_history={settings.min_history} is less than {min_history}, with which the "
                "folder was prepared; leave it out, or give a greater one"
            )
        min_history = settings.min_history
    is_new = selection.is_new
    described: dict[str, Any] = {"policy": "train"}
    if settings.split == "ratio":
        least = 1 if min_history is None else min_history
        selection.split[is_new] = _ratio_of_new(selection, is_new, settings, least)
        described = {
            "policy": "ratio",
            "seed": settings.seed,
            "valid_share": settings.valid_share,
            "test_share": settings.test_share,
        }
    elif settings.split == "predefined" or not _is_unsplit(selection, is_new):
        _check_complete(selection, store)
        drop_short_histories(selection, min_history or 0, kept=~is_new)
        described = {"policy": "predefined"}
    else:
        selection.split[is_new] = TRAIN
    if min_history is not None:
        described["min_history"] = min_history
    return described


def drop_short_histories(
    selection: Selection, min_history: int, kept: np.ndarray | None = None
) -> None:
    """Leaves out held-out reviews of users with few training reviews.

    Args:
        selection: the reviews, with their splits.
        min_history: least number of training reviews.
        kept: bool `[n]`, reviews that stay in any case.
    """
    if not min_history:
        return
    in_train = selection.split == TRAIN
    history = counts(selection.user, in_train, selection.n_users)
    stays = in_train | (history[selection.user] >= min_history)
    if kept is not None:
        stays |= kept
    selection.drop(stays, f"held out, by a user with under {min_history} training reviews")


def cold_counts(selection: Selection) -> tuple[int, int]:
    """Number of users, and of items, without a training review."""
    in_train = selection.split == TRAIN
    n_of_user = counts(selection.user, in_train, selection.n_users)
    n_of_item = counts(selection.item, in_train, selection.n_items)
    return int((n_of_user == 0).sum()), int((n_of_item == 0).sum())


def _is_unsplit(selection: Selection, rows: np.ndarray | None = None) -> bool:
    """Whether no raw row carries a split."""
    split = selection.split if rows is None else selection.split[rows]
    return bool((split == NO_SPLIT).all())


def _check_complete(selection: Selection, store: ReviewStore) -> None:
    missing = selection.split == NO_SPLIT
    if missing.any():
        raise DataError(
            f"{store.where_first(selection.row[missing])}: split is missing, but other rows have "
            "one; give it to all or none of the rows, or split again by --split=ratio"
        )


def _split(
    policy: str,
    min_history: int,
    selection: Selection,
    store: ReviewStore,
    settings: SplitSettings,
) -> np.ndarray:
    shares = {"valid_share": settings.valid_share, "test_share": settings.test_share}
    seed = settings.seed
    if policy in _COLD:
        of_users = policy == "cold_user"
        codes = selection.user if of_users else selection.item
        n_codes = selection.n_users if of_users else selection.n_items
        split = policies.split_cold(codes, n_codes, **shares, seed=seed)
        if settings.warm_share:
            warm = split == TRAIN
            split[warm] = policies.split_by_ratio(
                selection.user[warm],
                None,
                valid_share=settings.warm_share,
                test_share=settings.warm_share,
                seed=seed,
                min_history=max(1, min_history),
            )
        return split
    if policy == "global_time":
        return policies.split_by_global_time(_timestamps(selection, store, policy), **shares)
    if policy == "leave_one_out":
        # Without any timestamps, a random review is held out.
        has_time = bool((selection.timestamp != NO_TIME).any())
        time = _timestamps(selection, store, policy) if has_time else None
        return policies.split_leave_one_out(
            selection.user, time, seed=seed, min_history=min_history
        )
    time = _timestamps(selection, store, policy) if policy == "temporal" else None
    return policies.split_by_ratio(
        selection.user, time, **shares, seed=seed, min_history=min_history
    )


def _timestamps(selection: Selection, store: ReviewStore, policy: str) -> np.ndarray:
    missing = selection.timestamp == NO_TIME
    if missing.any():
        raise DataError(
            f"{store.where_first(selection.row[missing])}: no timestamp, but --split={policy} goes "
            f"by time ({missing.sum()} of {len(missing)} reviews have none); use --split=ratio, or "
            "name --time_field"
        )
    return selection.timestamp


def _ratio_of_new(
    selection: Selection, is_new: np.ndarray, settings: SplitSettings, min_history: int
) -> np.ndarray:
    user = selection.user[is_new]
    in_train = ~is_new & (selection.split == TRAIN)
    history = counts(selection.user, in_train, selection.n_users)
    n_users = len(counts(user))  # up to the last user with a new review
    return policies.split_by_ratio(
        user,
        None,
        valid_share=settings.valid_share,
        test_share=settings.test_share,
        seed=settings.seed,
        min_history=np.maximum(min_history - history[:n_users], 0),
    )
