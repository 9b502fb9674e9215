"""Blocks of rows of raw files, and the handling of malformed rows."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from symcere_jax.errors import DataError

# Reviews of a raw file, not yet checked; all but file and line may be null. Texts and ids of a
# large data set exceed the 2 GiB that 32-bit offsets can address.
RAW_SCHEMA = pa.schema(
    {
        "file": pa.large_string(),  # what a message calls it, such as "reviews.csv, line"
        "line": pa.int64(),  # or row, within the file, from 1
        "user_id": pa.large_string(),
        "item_id": pa.large_string(),
        "rating": pa.float64(),
        "timestamp": pa.int64(),  # Unix seconds
        "text": pa.large_string(),
        "split": pa.large_string(),
        "title": pa.large_string(),  # of the item
    }
)
_SHOWN = 3  # bad rows in a message

T = TypeVar("T")


class RowError(DataError):
    """A row is malformed."""

    def __init__(self, message: str, reason: str, n_rows: int = 1) -> None:
        super().__init__(message)
        self.reason = reason  # a few words that group such rows in counts
        self.n_rows = n_rows  # two if a line end is lost


class ReadingLog:
    """What is found while raw files are read; the first malformed row may end that."""

    def __init__(self, policy: str, max_share: float) -> None:
        self.n_rows = 0  # in the raw files, once they are read
        self.dropped: Counter[str] = Counter()  # reason -> rows left out
        self.n_bad = 0  # malformed rows among these
        self.n_bad_items = 0  # malformed rows of the file of item metadata, which were skipped
        self.changed_texts: Counter[str] = Counter()  # kind of change -> number of cleaned texts
        self.notes: list[str] = []  # on files that can be read in several ways
        self.files: dict[Path, None] = {}  # in the order in which they were read
        self.fields: Mapping[str, str] = {}  # column -> name of its field, for messages
        self.text_ids: set[str] = set()  # "user" and "item" if some ids are no numbers
        self._policy, self._max_share = policy, max_share
        self._first: list[str] = []

    def add(self, error: RowError) -> None:
        """Counts malformed rows, or raises their error where the policy is "fail"."""
        if self._policy == "fail":
            raise error
        self.n_bad += error.n_rows
        self.dropped[f"bad row: {error.reason}"] += error.n_rows
        if len(self._first) < _SHOWN:
            self._first.append(str(error))

    def check(self, n_read: int) -> None:
        """Raises a `DataError` if too many of all `n_read` rows are malformed."""
        if self.n_bad > self._max_share * n_read:
            raise DataError(
                f"{self.n_bad:,} of {n_read:,} rows are bad, more than --max_bad_share="
                f"{self._max_share:g}; the first: {' | '.join(self._first)}"
            )

    def nothing_left(self) -> DataError:
        """The error where no row is left."""
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in self.dropped.items() if n)
        return DataError(f"no review is left of {self.n_rows:,} rows (dropped: {reasons})")


@dataclasses.dataclass(frozen=True)
class Block:
    """Some consecutive rows of a file, as its reader gives them."""

    columns: dict[str, pa.Array]  # wanted field -> its values, if the block has it
    lines: np.ndarray  # int64 [n_rows], where each row begins, from 1
    fields: tuple[str, ...]  # of the file, in order, as far as they are known
    label: str  # what a message calls the file, such as "reviews.csv, line"

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, row: int) -> str:
        """The file and line of a row, for a message."""
        return f"{self.label} {self.lines[row]}"

    def __getitem__(self, part: slice) -> "Block":
        columns = {name: column[part] for name, column in self.columns.items()}
        return dataclasses.replace(self, columns=columns, lines=self.lines[part])


Blocks = Generator[Block, None, None]  # closed before its end, it closes the file


RawRows = Iterator[pa.Table]  # tables of `RAW_SCHEMA`


def raw_rows(columns: Mapping[str, Any], lines: Sequence[int] | np.ndarray, label: str) -> pa.Table:
    """A table of `RAW_SCHEMA`.

    Args:
        columns: some of its columns; the others are null.
        lines: int `[n_rows]`, line or row of each within its file, from 1.
        label: what a message calls the file, such as "reviews.csv, line".
    """
    n = len(lines)
    known = {"file": pa.repeat(label, n), "line": lines, **columns}
    arrays = {name: known.get(name, pa.nulls(n)) for name in RAW_SCHEMA.names}
    return pa.table(arrays).cast(RAW_SCHEMA)


def where(rows: pa.Table, row: int) -> str:
    """The file and line of a raw row, for a message."""
    return f"{rows['file'][row]} {rows['line'][row]}"


def salvage(rows: Any, build: Callable[[Any], T], log: ReadingLog) -> Iterator[T]:
    """Builds pieces of rows, as few as the bad rows among them allow, and yields them in order.

    Bad rows are found by bisection: b of them among n cost about b·log₂ n builds, and a block
    without any costs one.

    Args:
        rows: a block or a list.
        build: makes a piece of consecutive rows, or raises `RowError`.
        log: collects the rows that cannot be built even alone.
    """
    parts = [rows]
    while parts:
        part = parts.pop()
        try:
            piece = build(part)
        except RowError as error:
            if len(part) == 1:
                log.add(error)
            else:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
        else:
            yield piece


def shorten(value: object, width: int = 60) -> str:
    """A value for a message: quoted and not too long."""
    shown = repr(value)
    return shown if len(shown) <= width else shown[: width - 1] + "…"
