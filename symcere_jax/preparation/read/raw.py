"""A block of raw rows, and how raw files are opened."""

import contextlib
import dataclasses
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.packed import packing, unpacked

# Texts and ids of a large data set exceed the 2 GiB that 32-bit offsets can address.
RAW_SCHEMA = pa.schema(
    {
        "user_id": pa.large_string(),
        "item_id": pa.large_string(),
        "rating": pa.float64(),
        "timestamp": pa.int64(),  # Unix seconds
        "text": pa.large_string(),
        "split": pa.large_string(),
    }
)

_BUFFER = 1 << 20


@dataclasses.dataclass(frozen=True)
class RawBlock:
    """Some rows of a raw file, typed but not yet checked.

    Attributes:
        table: a row a review, with the columns of `RAW_SCHEMA`; any value may be null.
        lines: int64 `[n_rows]`, line or row within the file, from 1.
        label: what a message calls the file, such as "reviews.csv, line".
        file: the raw file; None for generated data.
        dropped: reason -> number of rows that the reader left out by the rules of its format; they
            are not in `table`.
        fields: column -> name of its field in the file, for messages.
        titles: item_id and title, where the reviews name their items.
    """

    table: pa.Table
    lines: np.ndarray
    label: str
    file: Path | None
    dropped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)
    titles: pa.Table | None = None

    def where(self, row: int) -> str:
        """The file and line of a row, for a message."""
        return f"{self.label} {self.lines[row]}"

    def field(self, column: str) -> str:
        """What the file calls a column of `table`."""
        return self.fields.get(column, column)

    def filter(self, mask: np.ndarray) -> "RawBlock":
        """The rows where the mask is true."""
        table = self.table.filter(pa.array(mask))
        return dataclasses.replace(self, table=table, lines=self.lines[mask])


RawBlocks = Iterator[RawBlock]


def raw_table(columns: Mapping[str, Any], n_rows: int) -> pa.Table:
    """A table of `RAW_SCHEMA`; columns that are not given are null."""
    arrays = {name: columns.get(name, pa.nulls(n_rows)) for name in RAW_SCHEMA.names}
    return pa.table(arrays).cast(RAW_SCHEMA)


@contextlib.contextmanager
def open_raw(path: Path) -> Iterator[BinaryIO]:
    """Opens a raw file, unpacks it, and shows a progress bar on a terminal.

    Raises:
        DataError: the file is missing, empty, not readable, or damaged.
    """
    try:
        size = path.stat().st_size
        if not size:
            raise DataError(f"{path} is empty")
        with (
            # disable=None: no bar where stderr is not a terminal
            tqdm(
                desc=path.name, total=size, unit="B", unit_scale=True, leave=False, disable=None
            ) as bar,
            io.BufferedReader(_CountedFile(path, bar), _BUFFER) as stream,
        ):
            suffix = packing(stream, path)
            if suffix is None:
                yield stream
            else:
                with unpacked(stream, suffix, path) as content:
                    yield content
    except FileNotFoundError:
        raise DataError(f"no input at {path}") from None
    except zlib.error as error:
        raise DataError(f"{path}: cut off or damaged ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: not readable ({error.strerror or error})") from None


def is_plain(stream: BinaryIO) -> bool:
    """Whether an open raw file is read as it lies on the disk."""
    return isinstance(getattr(stream, "raw", None), _CountedFile)


class _CountedFile(io.FileIO):
    """A raw file that moves a progress bar by the bytes read from it."""

    def __init__(self, path: Path, bar: tqdm) -> None:
        super().__init__(path)
        self._bar = bar

    def readinto(self, buffer: Any) -> int | None:
        n_bytes = super().readinto(buffer)
        self._bar.update(n_bytes or 0)
        return n_bytes


def shorten(value: object, width: int = 60) -> str:
    """A value for a message: quoted and not too long."""
    shown = repr(value)
    return shown if len(shown) <= width else shown[: width - 1] + "…"
