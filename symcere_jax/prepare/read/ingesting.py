"""From the blocks of a reader to the table of raw reviews: checked, cleaned, numbered."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.cleaning import checked, split_codes
from symcere_jax.prepare.read.raw import RawBlock
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.read.text_cleaning import TextCleaner
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources import Source

_FLUSH_ROWS = 1 << 14
_FLUSH_BYTES = 1 << 24

EMPTY_TEXT = "no text"


@dataclasses.dataclass(frozen=True)
class Ingested:
    """What was read.

    Attributes:
        n_read: rows in the raw files.
        dropped: reason -> rows left out so far.
        files: the raw files, in the order in which they were read.
        changed_texts: kind of change -> number of texts.
        n_bad_items: malformed rows of the file of item metadata, which were skipped.
    """

    n_read: int
    dropped: dict[str, int]
    files: tuple[Path, ...]
    changed_texts: dict[str, int]
    n_bad_items: int = 0


def ingest(config: PrepareSettings, source: Source, store: ReviewStore) -> Ingested:
    """Reads all raw rows into the table `raw` of the store.

    Args:
        config: the settings.
        source: kind of the raw data.
        store: where to.

    Raises:
        DataError: the raw data is missing or malformed, or too much of it is bad.
    """
    bad = BadRows(config.on_bad_row, config.max_bad_share)
    writer = _Writer(config, store)
    dropped: Counter[str] = Counter()
    files: dict[Path, None] = {}
    n_kept = 0
    for block in source.read(config, bad):
        dropped.update(block.dropped)
        if block.file is not None:
            files[block.file] = None
        block = checked(block, config, bad)
        n_kept += len(block.table)
        writer.add(block)
    writer.flush()
    store.finish()
    n_read = n_kept + dropped.total() + bad.counts.total()
    bad.check(n_read)
    dropped.update(bad.counts)
    if config.drop_empty_text:
        dropped[EMPTY_TEXT] = writer.n_empty
    item_file = source.item_file(config)
    n_bad_items = 0
    if item_file is not None:
        files[item_file] = None
        n_bad_items = _ingest_items(config, source, store)
    return Ingested(n_read, dict(dropped), tuple(files), dict(writer.cleaner.counts), n_bad_items)


def _ingest_items(config: PrepareSettings, source: Source, store: ReviewStore) -> int:
    """Reads the item metadata into a table of the store; returns the number of bad rows."""
    bad = BadRows(config.on_bad_row, config.max_bad_share)
    n_items = 0
    assert source.items is not None
    for items in source.items(config, bad):
        n_items += len(items)
        store.insert("item_metadata", items)
    bad.check(n_items + bad.counts.total())
    return bad.counts.total()


class _Writer:
    """Gathers small blocks, and writes large ones."""

    def __init__(self, config: PrepareSettings, store: ReviewStore) -> None:
        self._drop_empty = config.drop_empty_text
        self._store = store
        self._labels: dict[str, int] = {}
        self._pending: list[RawBlock] = []
        self._n_rows = 0
        self.cleaner = TextCleaner(config)
        self.n_empty = 0

    def add(self, block: RawBlock) -> None:
        self._pending.append(block)
        n_rows = sum(len(pending.table) for pending in self._pending)
        n_bytes = sum(pending.table["text"].nbytes for pending in self._pending)
        if n_rows >= _FLUSH_ROWS or n_bytes >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what has been gathered."""
        if not self._pending:
            return
        table = pa.concat_tables([block.table for block in self._pending])
        lines = np.concatenate([block.lines for block in self._pending])
        n_of_block = [len(block.table) for block in self._pending]
        files = np.repeat([self._label(block.label) for block in self._pending], n_of_block)
        self._pending = []
        texts = _one_array(table["text"].fill_null(""))
        texts = self.cleaner.clean(texts)
        n_rows = len(table)
        rows = pa.table(
            {
                "row": np.arange(self._n_rows, self._n_rows + n_rows),
                "file": files.astype(np.int32),
                "line": lines,
                "user_id": table["user_id"],
                "item_id": table["item_id"],
                "rating": table["rating"],
                "timestamp": table["timestamp"],
                "text": texts,
                "split": split_codes(table["split"]),
            }
        )
        self._n_rows += n_rows
        if self._drop_empty:
            has_text = pc.not_equal(pc.utf8_trim_whitespace(texts), "")
            rows = rows.filter(has_text)
            self.n_empty += n_rows - len(rows)
        if len(rows):
            self._store.add(rows)

    def _label(self, label: str) -> int:
        if label not in self._labels:
            self._labels[label] = len(self._labels)
            self._store.labels.append(label)
        return self._labels[label]


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.chunks else pa.array([], column.type)
