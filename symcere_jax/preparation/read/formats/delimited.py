"""CSV and TSV.

Python's own parser reads them: it knows the line of every row, and refuses a quote that is never
closed where faster parsers swallow the rest of the file.
"""

import csv
import re
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.formats.records import Records
from symcere_jax.preparation.read.formats.text_lines import TextLines
from symcere_jax.preparation.read.raw_files import open_raw
from symcere_jax.preparation.read.rows import Block, Blocks, ReadingLog, RowError, shorten
from symcere_jax.preparation.settings import DialectSettings

_BLOCK_ROWS = 1 << 14
_DELIMITERS = (",", "\t", ";", "|")
_EXCEL = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_RECBOLE = re.compile(r"(.+):(?:token|float)(?:_seq)?")


def read_delimited(
    path: Path, wanted: Collection[str], log: ReadingLog, dialect: DialectSettings, delimiter: str
) -> Blocks:
    """Reads a table; quoted fields may hold separators and line breaks.

    Without a header, fields are called "1", "2", …. `delimiter` separates them where nothing else
    is known from `dialect` or found out.
    """
    with open_raw(path) as stream:
        lines = TextLines(stream, path, dialect.encoding, log)
        first, line, rest = _first_line(iter(lines))
        if excel := _EXCEL.fullmatch(line):
            delimiter = excel[1]
            first, line, rest = _first_line(rest, first)
        delimiter = dialect.separator or _found_delimiter(line, wanted, delimiter, path, log)
        quoting = "none" if len(delimiter) > 1 else dialect.quoting
        records = Records(chain([line], rest), first, path, delimiter, quoting, log)
        names: tuple[str, ...] = ()
        rows: list[tuple[int, list[str]]] = []
        is_first = dialect.header
        for number, row in records:
            if problem := lines.problem(number, records.n_lines):
                log.add(RowError(problem, "encoding"))
                continue
            if not names:
                names = _names(row) if dialect.header else tuple(map(str, range(1, len(row) + 1)))
                _check_names(names, wanted, delimiter, f"{path}, line {number}")
                records.n_fields = len(names)
                if dialect.header:
                    continue
            if len(row) != len(names):
                if is_first and len(names) >= 2 * len(row) - 1 > 1:
                    raise DataError(
                        f"{path}, line {number}: {len(row)} fields, the header has {len(names)}; "
                        "is the line end after the header missing?"
                    )
                log.add(
                    RowError(
                        f"{path}, line {number}: {len(row)} fields, the "
                        f"{'header' if dialect.header else 'first row'} has {len(names)}; quote "
                        f"fields that hold {delimiter!r}",
                        "number of fields",
                        records.n_rows(row),
                    )
                )
                continue
            is_first = False
            rows.append((number, row))
            if len(rows) == _BLOCK_ROWS:
                yield _block(rows, names, wanted, path)
                rows = []
        if rows:
            yield _block(rows, names, wanted, path)


def _block(
    rows: list[tuple[int, list[str]]], names: tuple[str, ...], wanted: Collection[str], path: Path
) -> Block:
    columns = {}
    for name in wanted:
        if name in names:
            place = names.index(name)
            columns[name] = pa.array([row[place] for _, row in rows], pa.large_string())
    lines = np.array([line for line, _ in rows], np.int64)
    return Block(columns, lines, names, f"{path}, line")


def _first_line(lines: Iterator[str], before: int = 0) -> tuple[int, str, Iterator[str]]:
    """The number of the first line that is not blank, the line, and those that follow."""
    for number, line in enumerate(lines, start=before + 1):
        if not line.isspace():
            return number, line, lines
    return before + 1, "", lines


def _names(header: list[str]) -> tuple[str, ...]:
    typed = [_RECBOLE.fullmatch(name) for name in header]
    return tuple(match[1] for match in typed if match) if all(typed) else tuple(header)


def _found_delimiter(
    line: str, wanted: Collection[str], delimiter: str, path: Path, log: ReadingLog
) -> str:
    """The separator that most of the wanted names have between them, or that has most fields."""

    def fit(separator: str) -> tuple[int, bool, int]:
        try:
            fields = next(csv.reader([line], delimiter=separator), [])
        except csv.Error:  # reported when the file is read
            fields = line.split(separator)
        names = _names(fields)
        n_found = len(set(wanted) & set(names))
        return n_found, separator == delimiter and len(names) > 1, len(names)

    found = max((delimiter, *_DELIMITERS), key=fit)
    if found != delimiter:
        log.notes.append(f"{path}: fields are separated by {found!r}, as its first line is")
    return found


def _check_names(
    names: tuple[str, ...], wanted: Collection[str], delimiter: str, where: str
) -> None:
    if len(names) == 1:
        raise DataError(
            f"{where}: {shorten(names[0])} is a single field, without {delimiter!r}; set "
            "--delimiter"
        )
    for name in wanted:
        if names.count(name) > 1:
            raise DataError(f"{where}: the header names {name!r} more than once")
