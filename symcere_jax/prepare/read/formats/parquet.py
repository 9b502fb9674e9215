"""Parquet files."""

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.errors import DataError
from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.formats.block import Block, Blocks
from symcere_jax.prepare.read.raw import open_raw

_BLOCK_ROWS = 1 << 14


def read_parquet(path: Path, wanted: Collection[str], bad: BadRows) -> Blocks:
    """Reads a Parquet file, gzipped as a whole if it ends in `.gz`.

    Raises:
        DataError: the file is missing, damaged, or no Parquet file.
    """
    del bad  # a Parquet file is whole or it is not
    with open_raw(path) as stream, tempfile.TemporaryFile() as unpacked:
        source = stream
        if path.suffix == ".gz":
            # Parquet is read from its end, which a gzip cannot be.
            shutil.copyfileobj(stream, unpacked)
            unpacked.seek(0)
            source = unpacked
        try:
            file = pq.ParquetFile(source, buffer_size=1 << 20, pre_buffer=False)
            present = tuple(file.schema_arrow.names)
            columns = [name for name in present if name in wanted]
            first = 1
            for batch in file.iter_batches(_BLOCK_ROWS, columns=columns):
                batch.validate(full=True)
                lines = np.arange(first, first + len(batch), dtype=np.int64)
                arrays = {name: batch.column(name) for name in columns}
                yield Block(arrays, lines, present, f"{path}, row")
                first += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: not a readable Parquet file ({error})") from None
