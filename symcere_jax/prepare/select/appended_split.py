"""Which split the reviews go to that are appended to a prepared folder.

Held-out reviews that were there stay held out, and no training review is taken away. So a user's
history counts all training reviews, those that were there and the new ones.
"""

import numpy as np

from symcere_jax.data.schema import Manifest
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.select import filtering, splitting
from symcere_jax.prepare.select.selection import NO_SPLIT, Selection
from symcere_jax.prepare.select.split_policy import drop_short_histories
from symcere_jax.prepare.settings import PrepareSettings


def split_appended(
    selection: Selection, store: ReviewStore, config: PrepareSettings, earlier: Manifest
) -> tuple[dict[str, object], np.ndarray]:
    """Splits the new reviews: as they say, by `--split=ratio`, or all to train.

    Args:
        selection: the reviews, those that were there with negative rows; new ones that the minimum
            history leaves out are dropped from it.
        store: holds the raw rows.
        config: the settings.
        earlier: manifest of the folder. Its minimum history holds for new reviews too, unless a
            greater one is given.

    Returns:
        The settings of the new reviews' split for the manifest, and int8 `[n]`, an index into
        `schema.SPLITS`.

    Raises:
        ConfigError: the minimum history is below that of the folder.
        DataError: some of the new rows carry a split, and some do not.
    """
    min_history = _min_history(config, earlier)
    is_new = np.asarray(selection.row) >= 0
    split = np.array(selection.split)
    settings: dict[str, object]
    if config.split == "ratio":
        least = 1 if min_history is None else min_history
        split[is_new] = _by_ratio(selection, is_new, config, least)
        settings = {
            "policy": "ratio",
            "seed": config.seed,
            "valid_share": config.valid_share,
            "test_share": config.test_share,
        }
    elif config.split == "predefined" or (split[is_new] != NO_SPLIT).any():
        missing = is_new & (split == NO_SPLIT)
        if missing.any():
            raise DataError(
                f"{store.first(selection.row[missing])}: split is missing; give it to all rows, or "
                "to none, and all go to train"
            )
        if min_history:
            split = drop_short_histories(selection, split, min_history, kept=~is_new)
        settings = {"policy": "predefined"}
    else:
        split[is_new] = splitting.TRAIN
        settings = {"policy": "train"}
    if min_history is not None:
        settings["min_history"] = min_history
    return settings, split


def _min_history(config: PrepareSettings, earlier: Manifest) -> int | None:
    of_folder = earlier.split.get("min_history")
    if config.min_history is None or of_folder is None:
        return of_folder if config.min_history is None else config.min_history
    if config.min_history < of_folder:
        raise ConfigError(
            f"--min_history={config.min_history} is less than {of_folder}, with which "
            f"{config.output} was prepared; leave it out, or give a greater one"
        )
    return config.min_history


def _by_ratio(
    selection: Selection, is_new: np.ndarray, config: PrepareSettings, min_history: int
) -> np.ndarray:
    user = np.asarray(selection.user[is_new])
    in_train = ~is_new & (np.asarray(selection.split) == splitting.TRAIN)
    history = filtering.counts(selection.user, in_train, selection.n_users)
    return splitting.split_by_ratio(
        user,
        None,
        valid_share=config.valid_share,
        test_share=config.test_share,
        seed=config.seed,
        min_history=np.maximum(min_history - history[: user[-1] + 1], 0),
    )
