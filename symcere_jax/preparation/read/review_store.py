"""The raw reviews on disk, in DuckDB.

DuckDB joins, sorts and ranks more rows than memory holds, within a limit that is one setting.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.read.rows import RAW_SCHEMA

# Of the memory asked for, the engine gets what the interpreter, its libraries and the block of rows
# at hand do not need.
_OTHER_BYTES = 700 * 2**20
_LEAST_BYTES = 128 * 2**20
_ENGINE_SHARE = 0.8
# What the engine says when the disk is full, in errors of several types.
_DISK_ERRORS = ("Could not write", "No space left", "Failed to write", "max_temp_directory_size")
_BATCH_ROWS = 1 << 15

_KEPT = [field for field in RAW_SCHEMA if field.name not in ("split", "title")]
_RAW_SCHEMA = pa.schema([("row", pa.int64()), *_KEPT, ("split", pa.int8())])


class ReviewStore:
    """A database in a scratch folder, with the table `raw` of all reviews that were read.

    `raw` is a view of a Parquet file: Arrow writes that in an eighth of the time that the engine
    takes to write a table of its own.
    """

    def __init__(self, scratch: Path, *, memory_bytes: int, threads: int | None) -> None:
        self._memory_bytes = memory_bytes
        engine_bytes = max(_LEAST_BYTES, int((memory_bytes - _OTHER_BYTES) * _ENGINE_SHARE))
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{engine_bytes}B",
            "temp_directory": str(scratch / "spilled"),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
        }
        if threads:
            settings["threads"] = threads
        with self._errors():
            self._connection = duckdb.connect(str(scratch / "reviews.duckdb"), config=settings)
            # In Jupyter without ipywidgets there is no bar, and no switching it off either.
            with contextlib.suppress(duckdb.InvalidInputException):
                self._connection.execute("SET enable_progress_bar = false")
        self._raw_path = scratch / "raw.parquet"
        self._raw = pq.ParquetWriter(
            self._raw_path, _RAW_SCHEMA, compression="lz4", use_dictionary=["file"]
        )

    def add(self, rows: pa.Table) -> None:
        """Appends reviews with the columns of `raw`; split is an index into `SPLITS`."""
        self._raw.write_table(rows.select(_RAW_SCHEMA.names).cast(_RAW_SCHEMA))

    def finish(self, rating: str = "rating", where: str = "true") -> None:
        """Makes the reviews that were added the table `raw`.

        Called again, it gives rows other ratings, by an expression of SQL, and leaves out some.
        """
        self._raw.close()
        path = str(self._raw_path).replace("'", "''")
        self.execute(
            f"CREATE OR REPLACE VIEW raw AS SELECT * REPLACE ({rating} AS rating) "
            f"FROM read_parquet('{path}') WHERE {where}"
        )

    def insert(self, table: str, rows: pa.Table) -> None:
        """Appends rows to a table of the same columns; makes the table if there is none."""
        with self._errors():
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} AS FROM rows LIMIT 0")
            self._connection.execute(f"INSERT INTO {table} BY NAME FROM rows")

    def execute(self, statement: str) -> None:
        """Runs a statement that gives no rows."""
        with self._errors():
            self._connection.execute(statement)

    def fetch_row(self, query: str) -> tuple:
        """The only row of a query."""
        with self._errors():
            (row,) = self._connection.execute(query).fetchall()
        return row

    def count(self, rows: str) -> int:
        """Number of rows of a table, or of some by a condition behind it."""
        return self.fetch_row(f"SELECT count(*) FROM {rows}")[0]

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a query, batch by batch, without holding them all."""
        with self._errors():
            yield from self._connection.sql(query).to_arrow_reader(_BATCH_ROWS)

    def where_first(self, rows: np.ndarray) -> str:
        """The file and line of the first of some raw rows, for a message."""
        file, line = self.fetch_row(f"SELECT file, line FROM raw WHERE row = {rows.min()}")
        return f"{file} {line}"

    def close(self) -> None:
        """Closes the database; its files stay until the scratch folder is removed."""
        self._raw.close()
        self._connection.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if "interrupted" in str(error):  # by Ctrl-C, in the middle of a query
                raise KeyboardInterrupt from None
            raise
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            if any(words in reason for words in _DISK_ERRORS):
                raise DataError(f"cannot write beside the output ({reason})") from None
            if isinstance(error, duckdb.OutOfMemoryException):
                raise ConfigError(
                    f"--memory={self._memory_bytes / 2**30:.2g}GiB is too little for this data; "
                    "raise it, or lower --threads"
                ) from None
            raise
