"""Assigns each selected review to a split, by the requested policy or one that fits the data."""

from typing import Any

import numpy as np

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.select.selection import NO_SPLIT, NO_TIME, Selection
from symcere_jax.preparation.split import policies
from symcere_jax.preparation.split.policies import TRAIN
from symcere_jax.preparation.split.split_settings import SplitSettings

_BY_USER = ("ratio", "leave_one_out", "temporal", "kfold")
_BY_SHARES = ("ratio", "temporal", "global_time", "cold_item", "cold_user")
_COLD = ("cold_item", "cold_user")


def split_reviews(
    selection: Selection, store: ReviewStore, settings: SplitSettings
) -> dict[str, Any]:
    """Fills in `selection.split`, and drops the reviews that a minimum history leaves out.

    With a predefined split, the k-core has been taken over the rows of all splits together.

    Returns:
        The settings of the split for the manifest.

    Raises:
        DataError: the policy needs timestamps or split names that rows lack, or no review is in
            train.
    """
    is_unsplit = bool((selection.split == NO_SPLIT).all())
    policy = settings.split or ("ratio" if is_unsplit else "predefined")
    min_history = settings.min_history
    if min_history is None:
        min_history = 1 if policy in _BY_USER else 0
    if policy == "predefined":
        _check_complete(selection, store)
    else:
        selection.split = _split(policy, min_history, selection, store, settings)
    if policy not in _BY_USER:
        _drop_short_histories(selection, min_history)
    if not (selection.split == TRAIN).any():
        raise DataError(
            f"none of the {len(selection):,} reviews is in split 'train'; split again "
            "with --split=ratio"
        )
    return _describe(policy, settings, settings.min_history)


def split_appended(
    selection: Selection, store: ReviewStore, settings: SplitSettings, min_history: int | None
) -> dict[str, Any]:
    """Fills in `selection.split` for new reviews: as they say, by `--split=ratio`, or all to train.

    Held-out reviews that were there stay held out, and no training review is taken away. So a
    user's history counts all training reviews, those that were there and the new ones.

    New ones that the minimum history leaves out are dropped. That of the folder, `min_history`,
    holds for new reviews too, unless the settings have a greater one.

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
                "folder was prepared; leave it out, or give a larger one"
            )
        min_history = settings.min_history
    is_new = selection.is_new
    policy = "train"
    if settings.split == "ratio":
        policy = "ratio"
        user = selection.user[is_new]
        in_train = ~is_new & (selection.split == TRAIN)
        history = np.bincount(selection.user[in_train], minlength=selection.n_users)
        history = history[: user.max(initial=-1) + 1]
        least = np.maximum((1 if min_history is None else min_history) - history, 0)
        selection.split[is_new] = policies.split_by_ratio(
            user, None, **_shares(settings), seed=settings.seed, min_history=least
        )
    elif settings.split == "predefined" or (selection.split[is_new] != NO_SPLIT).any():
        policy = "predefined"
        _check_complete(selection, store)
        _drop_short_histories(selection, min_history or 0)
    else:
        selection.split[is_new] = TRAIN
    return _describe(policy, settings, min_history)


def cold_counts(selection: Selection) -> dict[str, int]:
    """Number of users, and of items, without a training review."""
    in_train = selection.split == TRAIN
    n_users, n_items = (len(np.unique(of[in_train])) for of in (selection.user, selection.item))
    return {
        "users_without_training_review": selection.n_users - n_users,
        "items_without_training_review": selection.n_items - n_items,
    }


def _describe(policy: str, settings: SplitSettings, min_history: int | None) -> dict[str, Any]:
    names: list[str] = []
    if policy not in ("predefined", "global_time", "train"):
        names.append("seed")
    if settings.cuts:
        names += ["valid_from", "test_from"]
    elif policy in _BY_SHARES:
        names += ["valid_share", "test_share"]
    if policy == "kfold":
        names += ["folds", "fold", "valid_share"]
    if policy in _COLD:
        names.append("warm_share")
    described = {"policy": policy} | {name: getattr(settings, name) for name in names}
    return described if min_history is None else {**described, "min_history": min_history}


def _shares(settings: SplitSettings) -> dict[str, Any]:
    return {"valid_share": settings.valid_share, "test_share": settings.test_share}


def _drop_short_histories(selection: Selection, min_history: int) -> None:
    """Leaves out new held-out reviews of users with few training reviews."""
    if not min_history:
        return
    in_train = selection.split == TRAIN
    history = np.bincount(selection.user[in_train], minlength=selection.n_users)
    stays = in_train | (history[selection.user] >= min_history) | ~selection.is_new
    selection.drop(stays, f"held out, by a user with under {min_history} training reviews")


def _check_complete(selection: Selection, store: ReviewStore) -> None:
    missing = selection.split == NO_SPLIT
    if missing.any():
        raise DataError(
            f"{store.where_first(selection.row[missing])}: split is missing, but other rows have "
            "one; give it to all or none of the rows, or split again with --split=ratio"
        )


def _split(
    policy: str, min_history: int, selection: Selection, store: ReviewStore, settings: SplitSettings
) -> np.ndarray:
    user, shares = selection.user, _shares(settings)
    drawn = {"seed": settings.seed, "min_history": min_history}
    if policy in _COLD:
        owner = user if policy == "cold_user" else selection.item
        split = policies.split_cold(owner, **shares, seed=settings.seed)
        warm = split == TRAIN
        shares = dict.fromkeys(shares, settings.warm_share)
        drawn["min_history"] = max(1, min_history)
        split[warm] = policies.split_by_ratio(user[warm], None, **shares, **drawn)
        return split
    if policy == "kfold":
        parts = {"n_folds": settings.folds, "fold": settings.fold}
        return policies.split_by_fold(user, **parts, valid_share=settings.valid_share, **drawn)
    if policy == "ratio":
        return policies.split_by_ratio(user, None, **shares, **drawn)
    time = selection.timestamp
    missing = time == NO_TIME
    if missing.any():
        raise DataError(
            f"{store.where_first(selection.row[missing])}: no timestamp, but --split={policy} "
            f"needs one ({missing.sum()} of {len(missing)} reviews have none); use --split=ratio, "
            "or set --time_field"
        )
    if policy == "global_time":
        return policies.split_by_global_time(time, **shares, cuts=settings.cuts)
    if policy == "leave_one_out":
        return policies.split_leave_one_out(user, time, **drawn)
    return policies.split_by_ratio(user, time, **shares, **drawn)
