"""Reading the tables that reviews come in: JSON lines, CSV, TSV and Parquet.

A format reader yields the rows block by block, so that Python objects exist for one block only.
The two text formats are read by Python's own parsers: they name the line of an error, and refuse
a quote that is never closed where faster parsers swallow the rest of the file.
"""

import csv
import dataclasses
import json
import sys
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.sources.columns import as_array
from data_prep.sources.raw import open_raw, shorten
from symcere_jax.errors import DataError

_BLOCK_ROWS = 1 << 16


@dataclasses.dataclass(frozen=True)
class Block:
    """Some consecutive rows of a file.

    Attributes:
        columns: field -> its values, for those of the wanted fields that the block has.
        lines: int64 `[n_rows]`, where each row begins, from 1.
        found: names of all fields of the block, in order.
    """

    columns: dict[str, pa.Array]
    lines: np.ndarray
    found: tuple[str, ...]


Blocks = Generator[Block, None, None]  # closed before its end, it closes the file


def read_json_lines(path: Path, wanted: Collection[str]) -> Blocks:
    """Reads a file of one JSON object a line; blank lines are skipped.

    Args:
        path: the file, UTF-8, gzipped if it ends in `.gz`.
        wanted: fields to read.
    """
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    with open_raw(path) as stream:
        for number, text in _lines(stream, path):
            if text.isspace():
                continue
            try:
                row = json.loads(text)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number}: not valid JSON ({error}); "
                    "every line must hold one whole JSON object"
                ) from None
            if not isinstance(row, dict):
                raise DataError(
                    f"{path}, line {number}: {shorten(text.strip())} is not a JSON object; "
                    "every line must hold one"
                )
            rows.append(row)
            lines.append(number)
            if len(rows) == _BLOCK_ROWS:
                yield _json_block(rows, lines, wanted, path)
                rows, lines = [], []
    if rows:
        yield _json_block(rows, lines, wanted, path)


def read_delimited(path: Path, wanted: Collection[str], delimiter: str) -> Blocks:
    """Reads CSV or TSV with a header; quoted fields may hold separators and line breaks.

    Args:
        path: the file, UTF-8, gzipped if it ends in `.gz`.
        wanted: fields to read.
        delimiter: the character between two fields.
    """
    csv.field_size_limit(sys.maxsize)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    with open_raw(path) as stream:
        texts = (text for _, text in _lines(stream, path))
        reader = csv.reader(texts, delimiter=delimiter, strict=True)
        header: tuple[str, ...] = ()
        try:
            for row in reader:
                if row and not header:
                    header = _checked_header(row, wanted, delimiter, path, line)
                elif row:
                    if len(row) != len(header):
                        raise DataError(
                            f"{path}, line {line}: {len(row)} fields, the header has "
                            f"{len(header)}; quote fields that hold {delimiter!r}"
                        )
                    rows.append(row)
                    lines.append(line)
                line = reader.line_num + 1
                if len(rows) == _BLOCK_ROWS:
                    yield _delimited_block(rows, lines, header, wanted, path)
                    rows, lines = [], []
        except csv.Error as error:
            raise DataError(
                f"{path}, line {line}: quotes are not closed or not doubled ({error})"
            ) from None
    if rows:
        yield _delimited_block(rows, lines, header, wanted, path)


def read_parquet(path: Path, wanted: Collection[str]) -> Blocks:
    """Reads a Parquet file.

    Args:
        path: the file, gzipped as a whole if it ends in `.gz`.
        wanted: fields to read.
    """
    with open_raw(path) as stream:
        # Parquet is read from its end: a gzip, which cannot be, is unpacked into memory.
        source = pa.BufferReader(stream.read()) if path.suffix == ".gz" else stream
        try:
            file = pq.ParquetFile(source)
            found = tuple(file.schema_arrow.names)
            columns = [name for name in found if name in wanted]
            first = 1
            for batch in file.iter_batches(_BLOCK_ROWS, columns=columns):
                lines = np.arange(first, first + len(batch), dtype=np.int64)
                yield Block({name: batch.column(name) for name in columns}, lines, found)
                first += len(batch)
        except pa.ArrowException as error:
            raise DataError(f"{path}: not a readable Parquet file ({error})") from None


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of table: how to read it, and what its messages call a row's number."""

    read: Callable[[Path, Collection[str]], Blocks]
    unit: str = "line"


FORMATS = {
    ".jsonl": Format(read_json_lines),
    ".json": Format(read_json_lines),
    ".csv": Format(lambda path, wanted: read_delimited(path, wanted, ",")),
    ".tsv": Format(lambda path, wanted: read_delimited(path, wanted, "\t")),
    ".parquet": Format(read_parquet, "row"),
}


def format_of(path: Path) -> Format | None:
    """The format that a file's name ends in, before an optional `.gz`; None: not a table."""
    return FORMATS.get(Path(path.name.removesuffix(".gz")).suffix)


def _lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines, decoded one by one so that a bad byte's line is known."""
    number = 0
    try:
        for number, line in enumerate(stream, start=1):
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: not UTF-8 ({error.reason}); convert the file to UTF-8"
        ) from None


def _json_block(
    rows: list[dict[str, Any]], lines: list[int], wanted: Collection[str], path: Path
) -> Block:
    found = tuple(dict.fromkeys(name for row in rows for name in row))
    values = {name: [row.get(name) for row in rows] for name in wanted if name in found}
    return _block(values, lines, found, path)


def _delimited_block(
    rows: list[list[str]],
    lines: list[int],
    header: tuple[str, ...],
    wanted: Collection[str],
    path: Path,
) -> Block:
    places = {name: header.index(name) for name in wanted if name in header}
    values = {name: [row[place] for row in rows] for name, place in places.items()}
    return _block(values, lines, header, path)


def _block(
    values: dict[str, list[Any]], lines: list[int], found: tuple[str, ...], path: Path
) -> Block:
    def where(row: int) -> str:
        return f"{path}, line {lines[row]}"

    columns = {name: as_array(column, name, where) for name, column in values.items()}
    return Block(columns, np.array(lines, np.int64), found)


def _checked_header(
    row: list[str], wanted: Collection[str], delimiter: str, path: Path, line: int
) -> tuple[str, ...]:
    if len(row) == 1 and any(other in row[0] for other in ",;|\t"):
        raise DataError(
            f"{path}, line {line}: the header {shorten(row[0])} is a single field, as "
            f"{delimiter!r} is not its separator; .csv files need commas, .tsv files tabs"
        )
    for name in wanted:
        if row.count(name) > 1:
            raise DataError(f"{path}, line {line}: the header names {name!r} more than once")
    return tuple(row)
