"""Parquet files, and Arrow tables in memory."""

import shutil
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.raw_files import is_plain, open_raw
from symcere_jax.preparation.read.rows import Block, Blocks, ReadingLog

_BLOCK_ROWS = 1 << 14


def read_parquet(path: Path, wanted: Collection[str], log: ReadingLog) -> Blocks:
    """Reads a Parquet file, which may be packed as a whole.

    Raises:
        DataError: the file is missing, damaged, or no Parquet file.
    """
    del log  # a Parquet file is whole or it is not
    with open_raw(path) as stream, tempfile.TemporaryFile() as unpacked:
        source = stream
        if not is_plain(stream):
            # Parquet is read from its end.
            shutil.copyfileobj(stream, unpacked)
            unpacked.seek(0)
            source = unpacked
        try:
            file = pq.ParquetFile(source, buffer_size=1 << 20, pre_buffer=False)
            present = tuple(file.schema_arrow.names)
            columns = _present(wanted, present, str(path))
            batches = file.iter_batches(_BLOCK_ROWS, columns=columns)
            yield from _blocks(batches, columns, present, str(path))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: not a readable Parquet file ({error})") from None


def read_frame(frame: pa.Table, label: str, wanted: Collection[str]) -> Blocks:
    """Reads a table in memory; `label` is what a message calls it."""
    present = tuple(frame.column_names)
    columns = _present(wanted, present, label)
    batches = frame.select(columns).to_batches(_BLOCK_ROWS)
    try:
        yield from _blocks(batches, columns, present, label)
    except pa.ArrowException as error:
        raise DataError(f"{label} is damaged ({error})") from None


def _present(wanted: Collection[str], present: tuple[str, ...], label: str) -> list[str]:
    columns = [name for name in dict.fromkeys(wanted) if name in present]
    for name in columns:
        if present.count(name) > 1:
            raise DataError(f"{label} has {present.count(name)} columns {name!r}; rename one")
    return columns


def _blocks(
    batches: Iterable[pa.RecordBatch], columns: list[str], present: tuple[str, ...], label: str
) -> Blocks:
    first = 1
    for batch in batches:
        batch.validate(full=True)
        lines = np.arange(first, first + len(batch), dtype=np.int64)
        arrays = {name: batch.column(name) for name in columns}
        yield Block(arrays, lines, present, f"{label}, row")
        first += len(batch)
