"""CSV and TSV with a header.

Python's own parser reads them: it knows the line of every row, and refuses a quote that is never
closed where faster parsers swallow the rest of the file.
"""

import csv
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows, RowError
from symcere_jax.preparation.read.formats.block import Blocks, blocks_of_objects
from symcere_jax.preparation.read.raw import open_raw, shorten

_BLOCK_ROWS = 1 << 14
_MAX_LINE_BYTES = 1 << 28


def read_delimited(path: Path, wanted: Collection[str], bad: BadRows, delimiter: str) -> Blocks:
    """Reads CSV or TSV with a header; quoted fields may hold separators and line breaks."""
    with open_raw(path) as stream:
        records = _records(stream, path, bad, delimiter)
        header = next(records, None)
        if header is None:
            return
        names = _checked_header(header[1], wanted, delimiter, path, header[0])
        places = {name: names.index(name) for name in wanted if name in names}
        rows: list[tuple[int, dict[str, str]]] = []
        for line, row in records:
            if len(row) != len(names):
                bad.add(
                    RowError(
                        f"{path}, line {line}: {len(row)} fields, the header has "
                        f"{len(names)}; quote fields that hold {delimiter!r}",
                        "number of fields",
                    )
                )
                continue
            rows.append((line, {name: row[place] for name, place in places.items()}))
            if len(rows) == _BLOCK_ROWS:
                yield from blocks_of_objects(rows, wanted, names, f"{path}, line", bad)
                rows = []
        yield from blocks_of_objects(rows, wanted, names, f"{path}, line", bad)


def _records(
    stream: BinaryIO, path: Path, bad: BadRows, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """Yields each record that is not blank, with the line that it begins on."""
    csv.field_size_limit(_MAX_LINE_BYTES)
    undecodable: list[tuple[int, str]] = []

    def texts() -> Iterator[str]:
        lines = iter(lambda: stream.readline(_MAX_LINE_BYTES + 1), b"")
        for number, line in enumerate(lines, start=1):
            if len(line) > _MAX_LINE_BYTES:
                raise DataError(f"{path}, line {number}: longer than 256 MiB; this is no table")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                undecodable.append((number, error.reason))
                yield line.decode(errors="replace")  # the record is left out as a whole

    reader = csv.reader(texts(), delimiter=delimiter, strict=True)
    line = 1
    while True:
        record: list[str] | None = None
        error: RowError | None = None
        try:
            record = next(reader, None)
            if record is None:
                return
        except csv.Error as cause:
            message = f"{path}, line {line}: quotes are not closed or not doubled ({cause})"
            if "unexpected end" in str(cause):
                # All that follows the open quote was taken for one field.
                raise DataError(message) from None
            error = RowError(message, "quotes")
        if undecodable:
            number, reason = undecodable[0]
            message = f"{path}, line {number}: not UTF-8 ({reason}); convert the file to UTF-8"
            error = RowError(message, "not UTF-8")
            undecodable.clear()
        if error is not None:
            bad.add(error)
        elif record:
            yield line, record
        line = reader.line_num + 1


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
