"""From raw rows to the reviews that stay, with users and items as dense rows."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa

from symcere_jax.errors import DataError
from symcere_jax.prepare.read.ingesting import Ingested
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.select import filtering
from symcere_jax.prepare.write.columns_on_disk import NpyFile, compact, mapped

NO_TIME = np.iinfo(np.int64).min  # stands for a missing timestamp, and sorts before all others
NO_SPLIT = -1
KNOWN_PAIR = "review of a user and item that had one already"
KNOWN_TEXT = "review of a text that its user had written already"

# Users and items are numbered in the order of their ids, as the bytes of UTF-8 sort; those that are
# known already come first, by the rows that they have.
_CODES = """
    CREATE TABLE {table} AS
    SELECT {column}, (row_number() OVER (ORDER BY {order}{column}) - 1)::INTEGER AS {code}
    FROM (SELECT DISTINCT {column} FROM raw){known}
"""
_PAIRS = """
    CREATE TABLE pairs AS
    SELECT row, u, i, timestamp, split
    FROM raw JOIN user_codes USING (user_id) JOIN item_codes USING (item_id)
    QUALIFY row_number() OVER (
        PARTITION BY u, i ORDER BY row >= 0, timestamp DESC NULLS LAST, row DESC
    ) = 1
"""
_WITHOUT_EQUAL_TEXTS = """
    CREATE TABLE distinct_pairs AS
    SELECT row, u, i, pairs.timestamp, pairs.split
    FROM pairs JOIN raw USING (row)
    QUALIFY trim(text) = ''
        OR row < 0
        OR row_number() OVER (
            PARTITION BY u, md5(text)
            ORDER BY row >= 0, pairs.timestamp DESC NULLS LAST, row DESC
        ) = 1
"""
_SORTED = f"""
    SELECT row, u AS user, i AS item, coalesce(timestamp, {NO_TIME}) AS timestamp,
        coalesce(split, {NO_SPLIT})::TINYINT AS split
    FROM {{table}} ORDER BY u, i
"""
_COLUMNS = {
    "row": np.int64,
    "user": np.int32,
    "item": np.int32,
    "timestamp": np.int64,
    "split": np.int8,
}


@dataclasses.dataclass(frozen=True)
class Known:
    """Ids that have a row already; reviews that were there have negative rows in the raw table.

    Attributes:
        user_ids: `[n_users]`, by row.
        item_ids: `[n_items]`, by row.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray


@dataclasses.dataclass
class Selection:
    """The reviews that stay, sorted by user, then item, whose rows follow the order of their ids.

    The columns of n rows lie on disk.

    Attributes:
        row: int64 `[n]`, row of the raw table.
        user: int32 `[n]`, 0 … n_users − 1.
        item: int32 `[n]`, 0 … n_items − 1.
        timestamp: int64 `[n]`, `NO_TIME` where there is none.
        split: int8 `[n]`, the split that the row carries, `NO_SPLIT` where it has none.
        user_codes: int64 `[n_users]`, place of each user among all in the raw data.
        item_codes: int64 `[n_items]`, likewise.
        dropped: reason -> rows left out.
    """

    row: np.ndarray
    user: np.ndarray
    item: np.ndarray
    timestamp: np.ndarray
    split: np.ndarray
    user_codes: np.ndarray
    item_codes: np.ndarray
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_codes)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item_codes)

    def drop(self, kept: np.ndarray, reason: str) -> None:
        """Leaves out reviews, and numbers users and items anew without gaps.

        Args:
            kept: bool `[n]`.
            reason: under which those that are left out are counted.
        """
        self.dropped[reason] = int(len(kept) - kept.sum())
        if not kept.all():
            for name in _COLUMNS:
                setattr(self, name, compact(getattr(self, name), kept))
        self.user_codes = _renumber(self.user, self.user_codes)
        self.item_codes = _renumber(self.item, self.item_codes)


def select(
    store: ReviewStore,
    ingested: Ingested,
    scratch: Path,
    *,
    k: int,
    drop_duplicate_text: bool = False,
    known: Known | None = None,
) -> Selection:
    """Drops all but the latest review of each (user, item), then all outside the k-core.

    Args:
        store: holds the raw rows, all with user and item.
        ingested: counts so far.
        scratch: folder for the columns.
        k: least number of reviews of a user and of an item.
        drop_duplicate_text: whether of reviews with equal texts by a user only the latest stays.
        known: ids that keep their rows; reviews that were there stay, and others give way to them.

    Raises:
        DataError: nothing is left.
    """
    (n_rows,) = store.one("SELECT count(*) FROM raw")
    dropped = dict(ingested.dropped)
    if not n_rows:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in dropped.items() if n)
        raise DataError(f"no review is left of {ingested.n_read:,} rows (dropped: {reasons})")
    _number(store, "user", known.user_ids if known else None)
    _number(store, "item", known.item_ids if known else None)
    store.run(_PAIRS)
    table = "pairs"
    (n_pairs,) = store.one("SELECT count(*) FROM pairs")
    reason = "earlier review of the same user and item" if known is None else KNOWN_PAIR
    dropped[reason] = n_rows - n_pairs
    if drop_duplicate_text:
        store.run(_WITHOUT_EQUAL_TEXTS)
        table = "distinct_pairs"
        (n_distinct,) = store.one("SELECT count(*) FROM distinct_pairs")
        reason = "earlier review of equal text by the same user" if known is None else KNOWN_TEXT
        dropped[reason] = n_pairs - n_distinct
    columns = _columns_on_disk(store, table, scratch)
    store.run("DROP TABLE pairs")
    (n_users,) = store.one("SELECT count(*) FROM user_codes")
    (n_items,) = store.one("SELECT count(*) FROM item_codes")
    selection = Selection(
        **columns, user_codes=np.arange(n_users), item_codes=np.arange(n_items), dropped=dropped
    )
    kept = filtering.k_core(selection.user, selection.item, k)
    if known is not None:
        kept |= np.asarray(selection.row) < 0
    if not kept.any():
        raise DataError(
            f"nothing is left of {len(selection):,} reviews by {n_users:,} users on "
            f"{n_items:,} items after --k_core={k}; the largest k that leaves something is "
            f"{filtering.largest_core(selection.user, selection.item)}"
        )
    selection.drop(kept, "outside the k-core")
    return selection


def _number(store: ReviewStore, kind: str, known: np.ndarray | None) -> None:
    """Makes the table of all users or items and their numbers."""
    column, code = f"{kind}_id", kind[0]
    order = join = ""
    if known is not None:
        store.insert(f"known_{kind}s", pa.table({column: known, "place": np.arange(len(known))}))
        order, join = "place NULLS LAST, ", f" LEFT JOIN known_{kind}s USING ({column})"
    store.run(
        _CODES.format(table=f"{kind}_codes", column=column, code=code, order=order, known=join)
    )


def _columns_on_disk(store: ReviewStore, table: str, scratch: Path) -> dict[str, np.ndarray]:
    files = {name: NpyFile(scratch / f"{name}.npy", dtype) for name, dtype in _COLUMNS.items()}
    for batch in store.stream(_SORTED.format(table=table)):
        for name, file in files.items():
            file.append(batch.column(name).to_numpy())
    for file in files.values():
        file.close()
    return {name: mapped(scratch / f"{name}.npy") for name in _COLUMNS}


def _renumber(codes: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Numbers codes in place without gaps; returns the names of those that occur."""
    occurs = filtering.counts(codes, np.ones(len(codes), bool), len(names)) > 0
    if not occurs.all():
        new = np.cumsum(occurs, dtype=np.int32) - 1
        for start in range(0, len(codes), 1 << 20):
            codes[start : start + (1 << 20)] = new[codes[start : start + (1 << 20)]]
    return names[occurs]


def ids(store: ReviewStore, column: str, codes: np.ndarray) -> pa.Array:
    """The external ids of the users or items that stay, in the order of their rows.

    Args:
        store: holds the raw rows.
        column: "user_id" or "item_id".
        codes: `Selection.user_codes` or `Selection.item_codes`.
    """
    kind = column.removesuffix("_id")
    names: list[pa.Array] = []
    start = 0
    for batch in store.stream(f"SELECT {column} FROM {kind}_codes ORDER BY {kind[0]}"):
        first, last = np.searchsorted(codes, [start, start + len(batch)])
        places = pa.array(codes[first:last] - start)
        names.append(batch.column(0).cast(pa.large_string()).take(places))
        start += len(batch)
    return pa.concat_arrays(names)
