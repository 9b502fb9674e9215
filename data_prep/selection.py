"""From raw rows to the reviews that stay, with users and items as dense rows."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_prep import filtering
from data_prep.sources.raw import RawReviews
from symcere_jax.errors import DataError

NO_TIME = np.iinfo(np.int64).min  # stands for a missing timestamp, and sorts before all others


@dataclasses.dataclass(frozen=True)
class Selection:
    """The reviews that stay, sorted by user, then item, whose rows follow the order of their ids.

    Attributes:
        row: int64 `[n]`, row of the raw table.
        user: int32 `[n]`, 0 … n_users − 1.
        item: int32 `[n]`, 0 … n_items − 1.
        user_ids: `[n_users]`, sorted.
        item_ids: `[n_items]`, sorted.
        dropped: reason -> rows left out.
    """

    row: np.ndarray
    user: np.ndarray
    item: np.ndarray
    user_ids: pa.Array
    item_ids: pa.Array
    dropped: dict[str, int]


def select(raw: RawReviews, k: int) -> Selection:
    """Drops all but the latest review of each (user, item), then all outside the k-core.

    Args:
        raw: the rows, all with user and item.
        k: least number of reviews of a user and of an item.

    Raises:
        DataError: nothing is left.
    """
    user_ids, user = _sorted_codes(raw.table["user_id"])
    item_ids, item = _sorted_codes(raw.table["item_id"])
    if not len(user):
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in raw.dropped.items())
        raise DataError(f"no review is left of {raw.n_read:,} rows (dropped: {reasons})")
    timestamp = raw.table["timestamp"].fill_null(NO_TIME).to_numpy()
    row = filtering.latest_of_pair(user, item, timestamp)
    n_pairs = len(row)
    user, item = user[row], item[row]
    kept = filtering.k_core(user, item, k)
    if not kept.any():
        raise DataError(
            f"nothing is left of {n_pairs:,} reviews by {len(user_ids):,} users on "
            f"{len(item_ids):,} items after --k_core={k}; the largest k that leaves something is "
            f"{filtering.largest_core(user, item)}"
        )
    row, user, item = row[kept], user[kept], item[kept]
    user_codes, user = np.unique(user, return_inverse=True)
    item_codes, item = np.unique(item, return_inverse=True)
    dropped = dict(raw.dropped)
    dropped["earlier review of the same user and item"] = len(raw.table) - n_pairs
    dropped["outside the k-core"] = n_pairs - len(row)
    return Selection(
        row=row,
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        user_ids=user_ids.take(pa.array(user_codes)),
        item_ids=item_ids.take(pa.array(item_codes)),
        dropped=dropped,
    )


def _sorted_codes(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """The distinct ids of a column, sorted, and the place of each row's id among them."""
    encoded = column.combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    place = np.empty_like(order)
    place[order] = np.arange(len(order), dtype=order.dtype)
    return encoded.dictionary.take(pa.array(order)), place[encoded.indices.to_numpy()]
