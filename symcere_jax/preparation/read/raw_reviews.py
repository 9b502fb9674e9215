"""The reading stage: from raw files to a table of well-formed, cleaned, numbered reviews."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.read.row_checks import is_blank, split_codes, well_formed
from symcere_jax.preparation.read.rows import RawRows, ReadingLog
from symcere_jax.preparation.read.text_cleaning import clean_texts
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import Source
from symcere_jax.preparation.sources.source import ITEM_SCHEMA, read_items

_BATCH_ROWS = 1 << 15
_GROUP_ROWS = 1 << 14
_GROUP_BYTES = 1 << 24


def read_reviews(
    source: Source, settings: PrepareSettings, store: ReviewStore, log: ReadingLog
) -> None:
    """Reads all raw rows, checks and cleans them, and adds them to the store.

    Raises:
        DataError: the raw data is missing or malformed, too much of it is bad, or nothing is left.
    """
    titled: set[str] = set()
    n_rows = n_kept = 0
    for rows in _groups(well_formed(rows, settings, log) for rows in source.read(settings, log)):
        if rows["title"].null_count < len(rows):
            store.insert("item_metadata", _first_titles(rows, titled))
        texts = rows["text"].combine_chunks().fill_null("")
        if settings.clean_texts:
            texts = clean_texts(texts, log.changed_texts)
        changed = {
            "row": np.arange(n_rows, n_rows + len(rows)),
            "text": texts,
            "split": split_codes(rows["split"]),
        }
        n_rows += len(rows)
        rows = pa.table({**dict(zip(rows.column_names, rows.columns, strict=True)), **changed})
        if settings.drop_empty_text:
            rows = rows.filter(pc.invert(is_blank(rows["text"])))
        n_kept += len(rows)
        store.add(rows)
    log.n_rows = n_rows + log.dropped.total()
    log.check(log.n_rows)
    if settings.drop_empty_text:
        log.dropped["no text"] = n_rows - n_kept
    if not n_kept:
        raise log.nothing_left()
    item_file = source.item_file(settings)
    if item_file is not None:
        log.files[item_file] = None
        of_items = ReadingLog(settings.on_bad_row, settings.max_bad_share)
        n_items = 0
        for items in read_items(item_file, source, settings, of_items):
            n_items += len(items)
            store.insert("item_metadata", items)
        of_items.check(n_items + of_items.n_bad)
        log.n_bad_items = of_items.n_bad
        log.notes += of_items.notes


def read_prepared(dataset: ReviewDataset, store: ReviewStore) -> None:
    """Adds the reviews of a prepared folder to the store, with negative row numbers."""
    label = f"{dataset.folder / schema.REVIEWS}, row"
    users, items = pa.array(dataset.user_ids()), pa.array(dataset.item_ids())
    splits = pa.array(schema.SPLITS)

    start = 0
    for batch in dataset.review_batches(_BATCH_ROWS):
        rows = np.arange(start, start + len(batch))
        start += len(batch)
        store.add(
            pa.table(
                {
                    "row": rows - dataset.manifest.n_reviews,
                    "file": pa.repeat(label, len(rows)),
                    "line": rows,
                    "user_id": users.take(batch.column("user")),
                    "item_id": items.take(batch.column("item")),
                    "rating": batch.column("rating"),
                    "timestamp": batch.column("timestamp"),
                    "text": batch.column("text"),
                    "split": pc.index_in(batch.column("split"), value_set=splits),
                }
            )
        )


def _first_titles(rows: pa.Table, known: set[str]) -> pa.Table:
    """As item metadata, the first title of each item that is not known; it is known then."""
    first: dict[str, str] = {}
    for item, title in zip(rows["item_id"].to_pylist(), rows["title"].to_pylist(), strict=True):
        if title and not title.isspace() and item not in known:
            first.setdefault(item, title)
    known |= first.keys()
    columns = [list(first), list(first.values()), [None] * len(first)]
    return pa.table(columns, ITEM_SCHEMA)


def _groups(tables: RawRows) -> RawRows:
    """Joins small tables, so that what follows handles large ones."""
    group: list[pa.Table] = []
    n_rows = n_bytes = 0
    for table in tables:
        group.append(table)
        n_rows += len(table)
        n_bytes += table["text"].nbytes
        if n_rows >= _GROUP_ROWS or n_bytes >= _GROUP_BYTES:
            yield pa.concat_tables(group)
            group, n_rows, n_bytes = [], 0, 0
    if group:
        yield pa.concat_tables(group)
