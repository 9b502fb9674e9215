"""Checks of the raw values: the first one that is wrong ends the preparation, and is named."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_prep.sources.columns import Where
from data_prep.sources.raw import shorten
from symcere_jax.data.schema import SPLITS
from symcere_jax.errors import DataError

_SPLIT_NAMES = {name: SPLITS.index(name) for name in SPLITS}
_SPLIT_NAMES |= dict.fromkeys(("validation", "dev", "val"), SPLITS.index("valid"))


def check_ids(table: pa.Table, where: Where) -> None:
    """Refuses rows without a user or without an item.

    Args:
        table: with the columns user_id and item_id.
        where: row -> its file and line, for messages.

    Raises:
        DataError: an id is null, empty or blank.
    """
    for column in ("user_id", "item_id"):
        blank = pc.equal(pc.utf8_trim_whitespace(table[column]), "").fill_null(True)
        row = _first(blank)
        if row is not None:
            raise DataError(f"{where(row)}: no {column}; every review needs a user and an item")


def check_ratings(table: pa.Table, minimum: float, maximum: float, where: Where) -> None:
    """Refuses ratings that are not finite or out of range; null is allowed.

    Args:
        table: with the column rating.
        minimum: lowest valid rating.
        maximum: highest valid rating.
        where: row -> its file and line, for messages.

    Raises:
        DataError: a rating is out of range.
    """
    rating = table["rating"]
    # NaN compares false, so it is not valid either.
    valid = pc.and_(pc.greater_equal(rating, minimum), pc.less_equal(rating, maximum))
    row = _first(pc.invert(valid).fill_null(False))
    if row is not None:
        raise DataError(
            f"{where(row)}: rating is {rating[row].as_py():g}, must be in {minimum:g} … {maximum:g}"
            "; other scales need --min_valid_rating and --max_valid_rating"
        )


def split_codes(table: pa.Table, where: Where) -> np.ndarray:
    """The splits that the rows carry.

    Args:
        table: with the column split: train, valid (or validation, dev, val), test.
        where: row -> its file and line, for messages.

    Returns:
        int8 `[n_rows]`, an index into `SPLITS`.

    Raises:
        DataError: a row has none, or an unknown one.
    """
    names = pa.array(list(_SPLIT_NAMES), pa.large_string())
    found = pc.index_in(table["split"].combine_chunks(), value_set=names)
    row = _first(found.is_null())
    if row is not None:
        raise DataError(
            f"{where(row)}: split is {shorten(table['split'][row].as_py())}, must be one of "
            f"{', '.join(_SPLIT_NAMES)}; --split=ratio ignores it and splits anew"
        )
    return np.array(list(_SPLIT_NAMES.values()), np.int8)[found.to_numpy()]


def check_timestamps(missing: np.ndarray, policy: str, rows: np.ndarray, where: Where) -> None:
    """Refuses reviews without a time where the split goes by time.

    Args:
        missing: bool `[n]`, whether a review has no timestamp.
        policy: the split policy, for the message.
        rows: int64 `[n]`, raw row of each review.
        where: row -> its file and line, for messages.

    Raises:
        DataError: a timestamp is missing.
    """
    if missing.any():
        row = int(rows[missing].min())
        raise DataError(
            f"{where(row)}: no timestamp, but --split={policy} goes by time ({missing.sum()} of "
            f"{len(missing)} reviews have none); use --split=ratio, or name --time_field"
        )


def _first(mask: pa.ChunkedArray | pa.Array) -> int | None:
    """First row where a mask is true."""
    row = pc.index(mask, True).as_py()
    return None if row < 0 else row
