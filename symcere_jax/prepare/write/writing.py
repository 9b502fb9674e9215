"""The files of the prepared folder, as `symcere_jax.data.schema` describes them."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from symcere_jax.data import schema
from symcere_jax.prepare.encode.stored_texts import TextWriter
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.read.text_cleaning import word_counts
from symcere_jax.prepare.select.selection import Selection, ids
from symcere_jax.prepare.write.columns_on_disk import NpyFile
from symcere_jax.text import TextFeatures, save_text_encoder

_ROW_GROUP = 1 << 16
_BLOCK = 1 << 18

_KEPT_REVIEWS = """
    SELECT rating, timestamp, text FROM raw JOIN kept USING (row) ORDER BY place
"""
_METADATA = """
    SELECT code, any_value(title ORDER BY title) AS title,
        any_value(categories ORDER BY title, categories) AS categories
    FROM item_metadata JOIN item_codes USING (item_id) JOIN kept_items ON i = code
    GROUP BY code ORDER BY code
"""
_METADATA_SCHEMA = pa.schema(
    {"code": pa.int64(), "title": pa.large_string(), "categories": pa.large_string()}
)


@dataclasses.dataclass(frozen=True)
class TextCounts:
    """What the texts of all reviews come to.

    Attributes:
        n_words: words, split at ASCII white space.
        n_empty: texts of nothing but white space.
    """

    n_words: int
    n_empty: int


def write_ids(
    folder: Path, store: ReviewStore, selection: Selection, *, metadata: bool
) -> int | None:
    """Writes the tables of external ids, and of titles and categories of items where known.

    Args:
        folder: where to.
        store: holds the raw rows.
        selection: the reviews that stay.
        metadata: whether titles and categories were read.

    Returns:
        Number of items that have neither; None where nothing was read.
    """
    users = pa.table({"user": _rows(selection.n_users)})
    users = users.append_column("user_id", ids(store, "user_id", selection.user_codes))
    items = pa.table({"item": _rows(selection.n_items)})
    items = items.append_column("item_id", ids(store, "item_id", selection.item_codes))
    if metadata:
        items = _with_metadata(items, store, selection)
    for name, table in ((schema.USERS, users), (schema.ITEMS, items)):
        # Without Arrow's own schema, 64-bit string offsets read back as plain strings.
        pq.write_table(table, folder / name, compression="zstd", store_schema=False)
    return n_unknown(items)


def n_unknown(items: pa.Table) -> int | None:
    """Number of items that have neither title nor categories; None where the table has neither."""
    if not {"title", "categories"} <= set(items.column_names):
        return None
    both = pc.and_(items["title"].is_null(), items["categories"].is_null())
    return int(pc.sum(both, min_count=0).as_py())


def write_reviews(
    path: Path,
    store: ReviewStore,
    selection: Selection,
    split: np.ndarray,
    texts: TextWriter | None,
) -> TextCounts:
    """Writes the reviews, in the order of the selection.

    Args:
        path: the Parquet file.
        store: holds the raw rows.
        selection: the reviews that stay.
        split: int8 `[n]`, an index into `schema.SPLITS`.
        texts: takes the texts too, for an encoder.
    """
    n_words = n_empty = 0
    split_names = pa.array(schema.SPLITS)
    start = 0
    with pq.ParquetWriter(path, _REVIEW_SCHEMA, compression="zstd", store_schema=False) as writer:
        for rows in _in_groups(_kept_reviews(store, selection)):
            stop = start + len(rows)
            text = rows["text"].combine_chunks()
            text = pa.concat_arrays(text.chunks) if isinstance(text, pa.ChunkedArray) else text
            words = word_counts(text)
            n_words += int(words.sum())
            n_empty += int(pc.equal(pc.utf8_trim_whitespace(text), "").to_numpy(False).sum())
            if texts is not None:
                texts.append(text)
            columns = [
                np.array(selection.user[start:stop]),
                np.array(selection.item[start:stop]),
                rows["rating"].cast(pa.float32(), safe=False),
                rows["timestamp"],
                split_names.take(pa.array(split[start:stop])),
                text,
            ]
            writer.write_table(pa.table(columns, schema=_REVIEW_SCHEMA), row_group_size=_ROW_GROUP)
            start = stop
    return TextCounts(n_words, n_empty)


def write_pairs(folder: Path, selection: Selection, split: np.ndarray) -> dict[str, int]:
    """Writes the (user, item) pairs of each split.

    Args:
        folder: where to.
        selection: the reviews that stay.
        split: int8 `[n]`, an index into `schema.SPLITS`.

    Returns:
        split -> number of pairs.
    """
    counts = {}
    for code, name in enumerate(schema.SPLITS):
        with NpyFile(folder / schema.pairs_file(name), np.int32, (2,)) as file:
            for start in range(0, len(selection), _BLOCK):
                rows = slice(start, start + _BLOCK)
                mask = split[rows] == code
                user, item = selection.user[rows][mask], selection.item[rows][mask]
                file.append(np.stack([user, item], axis=1))
        counts[name] = file.n_rows
    return counts


def write_features(folder: Path, encoder: str, features: TextFeatures) -> None:
    """Writes the text features of reviews, users and items, and the encoder that made them.

    Files that are mapped are taken over.
    """
    (folder / schema.TEXT_FOLDER / encoder).mkdir(parents=True)
    for rows in ("reviews", "users", "items"):
        array = getattr(features, rows)
        path = folder / schema.text_file(encoder, rows)
        if isinstance(array, np.memmap) and array.filename is not None:
            array.flush()
            Path(array.filename).replace(path)
        else:
            np.save(path, array)
    if features.fitted is not None:
        save_text_encoder(features.fitted, folder, encoder)


def file_entries(folder: Path) -> Mapping[str, Mapping[str, object]]:
    """Size and checksum of every file of a folder, by its path within."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): schema.file_entry(path) for path in files}


_REVIEW_SCHEMA = pa.schema(
    {
        "user": pa.int32(),
        "item": pa.int32(),
        "rating": pa.float32(),
        "timestamp": pa.int64(),
        "split": pa.string(),
        "text": pa.large_string(),
    }
)


def _kept_reviews(store: ReviewStore, selection: Selection) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(selection), _BLOCK):
        row = np.array(selection.row[start : start + _BLOCK])
        store.insert("kept", pa.table({"row": row, "place": start + np.arange(len(row))}))
    yield from store.stream(_KEPT_REVIEWS)


def _in_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Joins batches of any length to row groups of one, so that the file does not depend on it."""
    pending: list[pa.RecordBatch] = []
    n_rows = 0
    for batch in batches:
        text = batch.schema.get_field_index("text")
        batch = batch.set_column(text, "text", batch.column(text).cast(pa.large_string()))
        while n_rows + len(batch) >= _ROW_GROUP:
            cut = _ROW_GROUP - n_rows
            yield pa.Table.from_batches([*pending, batch.slice(0, cut)])
            batch, pending, n_rows = batch.slice(cut), [], 0
        if len(batch):
            pending.append(batch)
            n_rows += len(batch)
    if pending:
        yield pa.Table.from_batches(pending)


def _rows(n: int) -> pa.Array:
    return pa.array(np.arange(n, dtype=np.int32))


def _with_metadata(items: pa.Table, store: ReviewStore, selection: Selection) -> pa.Table:
    store.insert("kept_items", pa.table({"code": selection.item_codes}))
    found = pa.Table.from_batches(
        [batch.cast(_METADATA_SCHEMA) for batch in store.stream(_METADATA)], _METADATA_SCHEMA
    )
    places = pc.index_in(pa.array(selection.item_codes), value_set=found["code"].combine_chunks())
    for name in ("title", "categories"):
        items = items.append_column(name, found[name].take(places))
    return items
