"""From raw rows to the reviews that stay, with users and items as dense rows."""

import dataclasses

import numpy as np
import pyarrow as pa

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.select.k_core import k_core, largest_core

NO_TIME = np.iinfo(np.int64).min  # stands for a missing timestamp, and sorts before all others
NO_SPLIT = -1
EXTRA = len(schema.SPLITS)  # of a row that is outside the k-core whatever it is

# Users and items are numbered in the order of their ids, as the bytes of UTF-8 sort, after those
# that have a row already.
_CODES = """
    CREATE TABLE {kind}_codes AS
    SELECT {kind}_id,
        (row_number() OVER (ORDER BY place NULLS LAST, {kind}_id) - 1)::INTEGER AS {code}
    FROM (SELECT DISTINCT {kind}_id FROM raw) LEFT JOIN known_{kind}s USING ({kind}_id)
"""
# Rows of reviews that were prepared before are negative: they win over new ones.
_LATEST = "ORDER BY row >= 0, timestamp DESC NULLS LAST, row DESC"
_PAIRS = f"""
    CREATE TABLE pairs AS
    SELECT row, u, i, timestamp, split
    FROM raw JOIN user_codes USING (user_id) JOIN item_codes USING (item_id)
    QUALIFY row_number() OVER (PARTITION BY u, i {_LATEST}) = 1
"""
# Copies have the same letters and digits, so many at least: short texts, such as "great, thanks",
# are often written anew. Only texts that begin alike are read whole.
_LEAST_LETTERS = 20
_LETTERS = "regexp_replace(lower({}), '[^\\pL\\pN]+', '', 'g')"
_DISTINCT_TEXTS = f"""
    CREATE TABLE distinct_texts AS
    WITH starts AS (
        SELECT row, left({_LETTERS.format("left(text, 100)")}, {_LEAST_LETTERS}) AS start FROM raw
    ), alike AS (
        SELECT row FROM pairs JOIN starts USING (row) WHERE length(start) = {_LEAST_LETTERS}
        QUALIFY count(*) OVER (PARTITION BY u, start) > 1
    ), whole AS (
        SELECT row, md5({_LETTERS.format("text")}) AS letters FROM raw SEMI JOIN alike USING (row)
    )
    SELECT pairs.* FROM pairs LEFT JOIN whole USING (row)
    QUALIFY letters IS NULL OR row < 0
        OR row_number() OVER (PARTITION BY u, letters {_LATEST}) = 1
"""
_SORTED = f"""
    SELECT row, u AS user, i AS item, coalesce(timestamp, {NO_TIME}) AS timestamp,
        coalesce(split, {NO_SPLIT})::TINYINT AS split
    FROM {{table}} ORDER BY u, i
"""
COLUMNS = {
    "row": np.int64,
    "user": np.int32,
    "item": np.int32,
    "timestamp": np.int64,
    "split": np.int8,
}


@dataclasses.dataclass
class Selection:
    """The n reviews that stay, sorted by user, then item."""

    row: np.ndarray  # int64 [n], of the raw table
    user: np.ndarray  # int32 [n], 0 … n_users − 1
    item: np.ndarray  # int32 [n], 0 … n_items − 1
    timestamp: np.ndarray  # int64 [n], `NO_TIME` where there is none
    split: (
        np.ndarray
    )  # int8 [n], index into `SPLITS`; before the split, that of the row or `NO_SPLIT`
    user_codes: np.ndarray  # int64 [n_users], place of each among all users of the raw data
    item_codes: np.ndarray  # int64 [n_items], place of each among all items of the raw data
    dropped: dict[str, int]  # reason -> rows left out
    # Columns of reviews outside the k-core that may be learned from, by codes of users and items.
    outside: dict[str, np.ndarray] | None = None

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

    @property
    def is_new(self) -> np.ndarray:
        """Which reviews were not prepared before, bool `[n]`."""
        return self.row >= 0

    def drop(self, kept: np.ndarray, reason: str) -> None:
        """Leaves out all but the kept reviews, and renumbers users and items without gaps."""
        self.dropped[reason] = int(len(kept) - kept.sum())
        for name in COLUMNS:
            setattr(self, name, getattr(self, name)[kept])
        self.user, self.user_codes = _renumber(self.user, self.user_codes)
        self.item, self.item_codes = _renumber(self.item, self.item_codes)


def select(
    store: ReviewStore,
    *,
    k: int,
    drop_copies: bool | None = False,
    keep_dropped: bool = False,
    earlier: ReviewDataset | None = None,
) -> Selection:
    """Drops all but the latest review of each (user, item), then all outside the k-core.

    Args:
        store: holds the raw rows, all with user and item.
        k: least number of reviews of a user and of an item.
        drop_copies: whether of copies of a text by a user only the latest stays; None: unless rows
            carry a split, which is then taken as it is.
        keep_dropped: whether reviews outside the k-core may be learned from; those of split "extra"
            are outside, and may be.
        earlier: the prepared folder that reviews are appended to: its users and items keep their
            rows, its reviews stay, and new ones give way to them.

    Raises:
        DataError: nothing is left.
    """
    _number(store, "user", earlier.user_ids() if earlier else [])
    _number(store, "item", earlier.item_ids() if earlier else [])
    store.execute(_PAIRS)
    n_pairs = store.count("pairs")
    if earlier:
        known_pair = "review of a user and item that had one already"
        known_text = "copy of a review that its user had written already"
    else:
        known_pair = "earlier review of the same user and item"
        known_text = "copy of a later review by the same user"
    dropped = {known_pair: store.count("raw") - n_pairs}
    table = "pairs"
    if drop_copies is None:
        drop_copies = not store.count("pairs WHERE row >= 0 AND split IS NOT NULL")
    if drop_copies:
        table = "distinct_texts"
        store.execute(_DISTINCT_TEXTS)
        dropped[known_text] = n_pairs - store.count(table)
    n_users, n_items = store.count("user_codes"), store.count("item_codes")
    columns = pa.Table.from_batches(store.stream(_SORTED.format(table=table)))
    selection = Selection(
        **{name: columns[name].to_numpy().astype(kind) for name, kind in COLUMNS.items()},
        user_codes=np.arange(n_users),
        item_codes=np.arange(n_items),
        dropped=dropped,
    )
    store.execute("DROP TABLE pairs")
    is_extra = selection.split == EXTRA
    if earlier and is_extra.any():
        raise DataError(
            f"{store.where_first(selection.row[is_extra])}: split is {schema.EXTRA!r}, which "
            "--append does not know; prepare all data again, or change the split to train"
        )
    kept = k_core(selection.user, selection.item, k, among=~is_extra)
    if earlier:
        kept |= ~selection.is_new
    if not kept.any():
        raise DataError(
            f"nothing is left of {len(selection):,} reviews by {n_users:,} users on "
            f"{n_items:,} items after --k_core={k}; the largest k that leaves something is "
            f"{largest_core(selection.user, selection.item)}"
        )
    outside = None
    if keep_dropped or is_extra.any():
        in_core = np.bincount(selection.item[kept], minlength=n_items) > 0
        serves = ~kept & in_core[selection.item] & (keep_dropped | is_extra)
        outside = {name: getattr(selection, name)[serves] for name in COLUMNS}
    selection.drop(kept, "outside the k-core")
    if outside is not None:
        selection.outside = outside
        selection.dropped["outside the k-core"] -= len(outside["row"])
    return selection


def ids(store: ReviewStore, kind: str, codes: np.ndarray) -> pa.Array:
    """External ids of the users or items of a selection, by row; keeps the codes in a table."""
    store.insert(f"kept_{kind}s", pa.table({"code": codes}))
    query = (
        f"SELECT {kind}_id FROM {kind}_codes JOIN kept_{kind}s ON {kind[0]} = code ORDER BY code"
    )
    names = [batch.column(0).cast(pa.large_string()) for batch in store.stream(query)]
    return pa.concat_arrays(names)


def _number(store: ReviewStore, kind: str, known: np.ndarray | list) -> None:
    """Makes the table of all users or items and their numbers."""
    ids = pa.array(known, pa.string())
    store.insert(f"known_{kind}s", pa.table({f"{kind}_id": ids, "place": np.arange(len(ids))}))
    store.execute(_CODES.format(kind=kind, code=kind[0]))


def _renumber(codes: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes without gaps, and the names of those that occur."""
    occurs = np.bincount(codes, minlength=len(names)) > 0
    return (np.cumsum(occurs, dtype=np.int32) - 1)[codes], names[occurs]
