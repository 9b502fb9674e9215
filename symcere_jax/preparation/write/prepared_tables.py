"""The tables and pairs of a prepared folder, as `symcere_jax.data.schema` describes them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.read.text_cleaning import word_counts
from symcere_jax.preparation.select.selection import Selection, ids

_ROW_GROUP = 1 << 16
_BLOCK = 1 << 18

REVIEW_SCHEMA = pa.schema(
    {
        "user": pa.int32(),
        "item": pa.int32(),
        "rating": pa.float32(),
        "timestamp": pa.int64(),
        "split": pa.string(),
        "text": pa.large_string(),
    }
)
_KEPT_REVIEWS = """
    SELECT rating, timestamp, text FROM raw JOIN kept USING (row) ORDER BY place
"""
_KEPT_SCHEMA = pa.schema(
    {"rating": pa.float64(), "timestamp": pa.int64(), "text": pa.large_string()}
)
_EXTRA_TEXTS = "SELECT item, text FROM raw JOIN extra USING (row) ORDER BY item, row"
_EXTRA_SCHEMA = pa.schema({"item": pa.int32(), "text": pa.large_string()})
_METADATA = """
    SELECT any_value(title ORDER BY title) AS title,
        any_value(categories ORDER BY title, categories) AS categories
    FROM kept_items JOIN item_codes ON i = code LEFT JOIN item_metadata USING (item_id)
    GROUP BY code ORDER BY code
"""


def write_tables(
    folder: Path,
    store: ReviewStore,
    selection: Selection,
    *,
    metadata: bool = False,
    earlier: ReviewDataset | None = None,
) -> tuple[dict[str, int], dict[str, int]]:
    """Writes users, items, pairs and reviews.

    Args:
        folder: where to.
        store: holds the raw rows.
        selection: the reviews that stay, with their splits.
        metadata: whether titles and categories of items were read.
        earlier: the folder that reviews are appended to; its items keep what is known of them.

    Returns:
        Number of interactions of each split, and further counts for the manifest.
    """
    users = _ids(store, "user", selection.user_codes)
    items = _ids(store, "item", selection.item_codes)
    if metadata:
        known = pa.Table.from_batches(store.stream(_METADATA)).combine_chunks()
        for name in ("title", "categories"):
            items = items.append_column(name, known[name].cast(pa.large_string()))
    if earlier is not None:
        items = _with_earlier_metadata(items, pq.read_table(earlier.file(schema.ITEMS)))
    for table, name in ((users, schema.USERS), (items, schema.ITEMS)):
        # Without Arrow's own schema, 64-bit string offsets read back as plain strings.
        pq.write_table(table, folder / name, compression="zstd", store_schema=False)
    n_interactions = _write_pairs(folder, selection)
    counts = _write_reviews(folder / schema.REVIEWS, store, selection)
    if {"title", "categories"} <= set(items.column_names):
        unknown = pc.and_(items["title"].is_null(), items["categories"].is_null())
        counts["items_without_metadata"] = int(pc.sum(unknown, min_count=0).as_py())
    return n_interactions, counts


def write_extra_texts(
    folder: Path, store: ReviewStore, selection: Selection, texts: Mapping[str, np.ndarray]
) -> None:
    """Writes the texts of reviews whose authors are no users, by item; no file for none."""
    if not len(texts["row"]):
        return
    item = np.searchsorted(selection.item_codes, texts["item"]).astype(np.int32)
    store.insert("extra", pa.table({"row": texts["row"], "item": item}))
    with pq.ParquetWriter(folder / schema.EXTRA_TEXTS, _EXTRA_SCHEMA, compression="zstd",
                          store_schema=False) as writer:  # fmt: skip
        for rows in _row_groups(batch.cast(_EXTRA_SCHEMA) for batch in store.stream(_EXTRA_TEXTS)):
            writer.write_table(rows, row_group_size=_ROW_GROUP)


def _write_reviews(path: Path, store: ReviewStore, selection: Selection) -> dict[str, int]:
    n_words = n_empty = start = 0
    split_names = pa.array(schema.SPLITS)
    with pq.ParquetWriter(path, REVIEW_SCHEMA, compression="zstd", store_schema=False) as writer:
        for rows in _row_groups(_kept_reviews(store, selection)):
            stop = start + len(rows)
            text = pa.concat_arrays(rows["text"].chunks)
            n_words += int(word_counts(text).sum())
            n_empty += pc.sum(pc.equal(pc.utf8_trim_whitespace(text), "")).as_py()
            columns = [
                selection.user[start:stop],
                selection.item[start:stop],
                rows["rating"].cast(pa.float32(), safe=False),
                rows["timestamp"],
                split_names.take(pa.array(selection.split[start:stop])),
                text,
            ]
            writer.write_table(pa.table(columns, schema=REVIEW_SCHEMA), row_group_size=_ROW_GROUP)
            start = stop
    return {"words": n_words, "reviews_without_text": n_empty}


def _write_pairs(folder: Path, selection: Selection) -> dict[str, int]:
    """Writes the (user, item) pairs of each split; returns their numbers."""
    counts = {}
    for code, name in enumerate(schema.SPLITS):
        rows = np.flatnonzero(selection.split == code)
        pairs = np.stack([selection.user[rows], selection.item[rows]], axis=1)
        np.save(folder / schema.pairs_file(name), pairs)
        counts[name] = len(pairs)
    return counts


def file_entries(folder: Path) -> Mapping[str, Mapping[str, object]]:
    """Size and checksum of every file of a folder, by its path within."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): schema.file_entry(path) for path in files}


def _kept_reviews(store: ReviewStore, selection: Selection) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(selection), _BLOCK):
        row = selection.row[start : start + _BLOCK]
        store.insert("kept", pa.table({"row": row, "place": start + np.arange(len(row))}))
    for batch in store.stream(_KEPT_REVIEWS):
        yield batch.cast(_KEPT_SCHEMA)


def _row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Joins batches of any length to row groups of one, so that the file does not depend on it."""
    pending: list[pa.RecordBatch] = []
    n_rows = 0
    for batch in batches:
        while n_rows + len(batch) >= _ROW_GROUP:
            cut = _ROW_GROUP - n_rows
            yield pa.Table.from_batches([*pending, batch.slice(0, cut)])
            batch, pending, n_rows = batch.slice(cut), [], 0
        if len(batch):
            pending.append(batch)
            n_rows += len(batch)
    if pending:
        yield pa.Table.from_batches(pending)


def _ids(store: ReviewStore, kind: str, codes: np.ndarray) -> pa.Table:
    names = ids(store, kind, codes)
    return pa.table({kind: np.arange(len(names), dtype=np.int32), f"{kind}_id": names})


def _with_earlier_metadata(items: pa.Table, earlier: pa.Table) -> pa.Table:
    """Items keep their titles and categories; what was missing is as the new metadata has it."""
    for name in earlier.column_names[2:]:
        kind = earlier[name].type
        unknown = pa.nulls(len(items) - len(earlier), kind)
        values = pa.concat_arrays([*earlier[name].chunks, unknown])
        if name in items.column_names:
            values = pc.coalesce(values, items[name].combine_chunks().cast(kind))
            items = items.drop_columns(name)
        items = items.append_column(name, values)
    return items
