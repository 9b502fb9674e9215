"""The reading stage: from raw files to a table of well-formed, cleaned, numbered reviews."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows
from symcere_jax.preparation.read.raw import RawBlock
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.read.row_checks import split_codes, well_formed
from symcere_jax.preparation.read.text_cleaning import TextCleaner
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import Source
from symcere_jax.preparation.sources.source import ITEM_SCHEMA

_GROUP_ROWS = 1 << 14
_GROUP_BYTES = 1 << 24
_BATCH_ROWS = 1 << 15


@dataclasses.dataclass(frozen=True)
class RawCounts:
    """What was read.

    Attributes:
        n_rows: rows in the raw files.
        dropped: reason -> rows left out so far.
        files: the raw files, in the order in which they were read.
        changed_texts: kind of change -> number of texts.
        notes: how files were read that could be read in several ways.
        n_bad_items: malformed rows of the file of item metadata, which were skipped.
        text_ids: "user" and "item" where some ids are no numbers.
    """

    n_rows: int
    dropped: dict[str, int]
    files: tuple[Path, ...]
    changed_texts: dict[str, int]
    notes: tuple[str, ...]
    n_bad_items: int
    text_ids: set[str]


def read_reviews(source: Source, settings: PrepareSettings, store: ReviewStore) -> RawCounts:
    """Reads all raw rows, checks and cleans them, and adds them to the store.

    Raises:
        DataError: the raw data is missing or malformed, too much of it is bad, or nothing is left.
    """
    bad = BadRows(settings.on_bad_row, settings.max_bad_share)
    cleaner = TextCleaner(settings)
    dropped: Counter[str] = Counter()
    files: dict[Path, None] = {}
    titled: set[str] = set()

    def checked() -> Iterator[RawBlock]:
        for block in source.read(settings, bad):
            dropped.update(block.dropped)
            if block.file is not None:
                files[block.file] = None
            if block.titles is not None:
                store.insert("item_metadata", _first_titles(block.titles, titled))
            yield well_formed(block, settings, bad)

    n_rows = n_kept = 0
    for blocks in _groups(checked()):
        rows = _joined(blocks, n_rows, store)
        n_rows += len(rows)
        texts = cleaner.clean(rows["text"].combine_chunks())
        rows = rows.set_column(rows.schema.get_field_index("text"), "text", texts)
        if settings.drop_empty_text:
            rows = rows.filter(pc.not_equal(pc.utf8_trim_whitespace(texts), ""))
        n_kept += len(rows)
        store.add(rows)
    n_read = n_rows + dropped.total() + bad.counts.total()
    bad.check(n_read)
    dropped.update(bad.counts)
    if settings.drop_empty_text:
        dropped["no text"] = n_rows - n_kept
    if not n_kept:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in dropped.items() if n)
        raise DataError(f"no review is left of {n_read:,} rows (dropped: {reasons})")
    item_file = source.item_file(settings)
    bad_items = BadRows(settings.on_bad_row, settings.max_bad_share)
    if item_file is not None:
        files[item_file] = None
        _read_items(source, settings, store, bad_items)
    return RawCounts(
        n_read,
        dict(dropped),
        tuple(files),
        dict(cleaner.counts),
        (*bad.notes, *bad_items.notes),
        bad_items.counts.total(),
        bad.text_ids,
    )


def read_prepared(dataset: ReviewDataset, store: ReviewStore) -> None:
    """Adds the reviews of a prepared folder to the store, with negative row numbers."""
    label = store.label(f"{dataset.folder / schema.REVIEWS}, row")
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
                    "file": np.full(len(rows), label),
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


def _read_items(
    source: Source, settings: PrepareSettings, store: ReviewStore, bad: BadRows
) -> None:
    """Reads the item metadata into a table of the store."""
    n_items = 0
    assert source.items is not None
    for items in source.items(settings, bad):
        n_items += len(items)
        store.insert("item_metadata", items)
    bad.check(n_items + bad.counts.total())


def _first_titles(titles: pa.Table, known: set[str]) -> pa.Table:
    """As item metadata, the first title of each item that is not known; it is known then."""
    first: dict[str, str] = {}
    for item, title in zip(*(column.to_pylist() for column in titles.columns), strict=True):
        if item and title and not title.isspace() and item not in known:
            first.setdefault(item, title)
    known |= first.keys()
    columns = [list(first), list(first.values()), [None] * len(first)]
    return pa.table(columns, ITEM_SCHEMA)


def _groups(blocks: Iterator[RawBlock]) -> Iterator[list[RawBlock]]:
    """Gathers small blocks, so that what follows handles large ones."""
    group: list[RawBlock] = []
    n_rows = n_bytes = 0
    for block in blocks:
        group.append(block)
        n_rows += len(block.table)
        n_bytes += block.table["text"].nbytes
        if n_rows >= _GROUP_ROWS or n_bytes >= _GROUP_BYTES:
            yield group
            group, n_rows, n_bytes = [], 0, 0
    if group:
        yield group


def _joined(blocks: list[RawBlock], first_row: int, store: ReviewStore) -> pa.Table:
    """The blocks as one table with the columns of the store."""
    table = pa.concat_tables([block.table for block in blocks])
    files = [store.label(block.label) for block in blocks]
    columns = dict(zip(table.column_names, table.columns, strict=True))
    columns |= {
        "row": np.arange(first_row, first_row + len(table)),
        "file": np.repeat(files, [len(block.table) for block in blocks]),
        "line": np.concatenate([block.lines for block in blocks]),
        "text": table["text"].fill_null(""),
        "split": split_codes(table["split"]),
    }
    return pa.table(columns)
