"""Records of a delimited text: what is quoted, and which lines belong together.

Quotes can silently swallow rows: in a file whose texts are not quoted, a lone quote makes one field
of all rows up to the next quote. So lines after the one where a field opens belong to it only if
none of them looks like a row, unless `quoting` says how to read them.
"""

import csv
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.rows import ReadingLog, RowError

_LONGEST_FIELD = 1 << 28
_ROWS_LEARNED_FROM = 100
_LINES_AHEAD = 200  # in which a quotation is looked for that encloses lines like rows
# A quote after an odd number of backslashes.
_ESCAPED_QUOTE = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
_WAYS = "--quoting=none treats quotes as letters, --quoting=doubled as in CSV"


class Records:
    """Iterates over records, each as the line where it begins and its fields; skips blank lines.

    A quote that is opened, and not closed before a line that looks like a row, is no quotation. In
    a tab-separated file that seems not to quote fields, its line is read as it stands, and that is
    noted; elsewhere it is a bad row. The next line begins a record, so no other row is lost, unless
    quotes turn out to enclose the lines: then they are part of the bad row. Quotes of a record are
    taken for escaped by backslashes where that alone makes a row of it.

    Attributes:
        n_fields: fields of a row, once it is known; records of another number may be among those
            that are yielded.
        n_lines: lines of the last record.
    """

    def __init__(
        self,
        lines: Iterator[str],
        first: int,
        path: Path,
        delimiter: str,
        quoting: str | None,
        log: ReadingLog,
    ) -> None:
        self.n_fields: int | None = None
        self.n_lines = 0
        self._feed = _Feed(lines, self._looks_like_row if quoting is None else lambda line: False)
        self._line = first
        self._path, self._delimiter, self._quoting, self._log = path, delimiter, quoting, log
        self._numeric: set[int] | None = None  # columns that hold nothing but numbers
        self._n_learned_from = 0
        self._is_quoted = False  # fields that need quotes have them
        self._unusual: dict[str, tuple[int, int]] = {}  # what -> number of records, first line
        self._escaped = 0  # line of the last record whose quotes are escaped
        csv.field_size_limit(_LONGEST_FIELD)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        yield from self._parsed() if self._quoting != "none" else self._split()
        for what, (n_rows, first) in self._unusual.items():
            self._log.notes.append(
                f"{self._path}: {n_rows:,} rows {what}, the first in line {first}; {_WAYS}"
            )

    def n_rows(self, fields: list[str]) -> int:
        """2 where the fields of a line are those of two rows, between which a line end is lost."""
        if self.n_fields is None or len(fields) < 2 * self.n_fields - 1:
            return 1
        if not self._numeric:
            return 1 + (len(fields) == 2 * self.n_fields - 1)
        for first in range(self.n_fields - 1, len(fields) - self.n_fields + 1):
            numbers = [fields[first + place].strip('"') for place in self._numeric]
            if any(numbers) and all(map(_is_number, numbers)):
                return 2
        return 1

    def _split(self) -> Iterator[tuple[int, list[str]]]:
        self.n_lines = 1
        for line in self._feed:
            self._feed.taken = []
            if not line.isspace():
                yield self._line, self._fields(line)
            self._line += 1

    def _parsed(self) -> Iterator[tuple[int, list[str]]]:
        feed = self._feed
        reader = None
        while True:
            # A parser that has refused something cannot continue.
            reader = reader or csv.reader(feed, delimiter=self._delimiter, strict=True)
            feed.taken = []
            feed.is_cut = False
            feed.unescapes = self._quoting == "escaped" or self._line == self._escaped
            record, cause = None, ""
            try:
                record = next(reader, None)
                if record is None:
                    return
            except csv.Error as error:
                cause = str(error)
            if cause or (record and self.n_fields not in (None, len(record))):
                reader = None
                record = self._read_again(record, cause)
            elif record and self.n_fields:
                if self._n_learned_from < _ROWS_LEARNED_FROM:
                    self._learn(record)
                if not self._is_quoted and '"' in feed.taken[0]:
                    self._is_quoted = record != self._fields(feed.taken[0]) and any(
                        mark in field for field in record for mark in ('"', "\n", self._delimiter)
                    )
            self.n_lines = len(feed.taken)
            if record:
                yield self._line, record
            self._line += self.n_lines

    def _read_again(self, record: list[str] | None, cause: str) -> list[str] | None:
        """Another reading of lines that were refused, or have the wrong number of fields.

        Returns:
            What to yield, if anything. All lines but those of this are given back.
        """
        feed = self._feed
        if self._quoting is None and self._are_escaped(feed.taken):
            self._escaped = self._line
            self._count("have quotes escaped by backslashes (--quoting=escaped)")
            feed.give_back(0)
            return None
        # All that follows the open quote was taken for one field.
        is_open = "unexpected end" in cause and not feed.is_cut
        literal = self._fields(feed.taken[0])
        if (
            (self._quoting, self._delimiter, self.n_fields) == (None, "\t", len(literal))
            and not (self._is_quoted or '""' in feed.taken[0] or sum(map(_is_quoted, literal)) > 1)
            # A file that ends within a line, or a text of several, is cut off.
            and (not is_open or (len(feed.taken) == 1 and feed.taken[0].endswith("\n")))
        ):
            feed.give_back(1)
            self._count("have a quote that encloses no field, and are read as they stand")
            return literal
        where = f"{self._path}, line {self._line}: quotes"
        if is_open:
            raise DataError(f"{where} are not closed ({cause}); {_WAYS}")
        n_lines = self._n_quoted_lines() if feed.is_cut else 0
        if n_lines:
            feed.take(n_lines)
        elif cause or self._quoting is None:
            feed.give_back(1)
        if cause:
            if feed.is_cut:
                cause = "the next lines look like rows"
            message = f"{where} are not closed or not doubled ({cause}); {_WAYS}"
            self._log.add(RowError(message, "quotes", self.n_rows(literal)))
            return None
        return record

    def _n_quoted_lines(self) -> int:
        """Lines of the record if quotes enclose some that look like rows; 0: none are enclosed.

        A quotation ends where fields end. In a file that may not quote at all, its last line must
        not look like a row: two lone quotes enclose nothing.
        """
        lines = [*self._feed.taken, *self._feed.ahead(_LINES_AHEAD)]
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        try:
            record = next(reader)
        except csv.Error:
            return 0
        last = lines[reader.line_num - 1]
        ends = len(record) == self.n_fields and (self._is_quoted or not self._looks_like_row(last))
        return reader.line_num if ends else 0

    def _count(self, what: str) -> None:
        n_rows, first = self._unusual.get(what, (0, self._line))
        self._unusual[what] = n_rows + 1, first

    def _are_escaped(self, lines: list[str]) -> bool:
        if self.n_fields is None or self._feed.unescapes or '\\"' not in "".join(lines):
            return False
        unescaped = map(_unescape, lines)
        try:
            record = next(csv.reader(unescaped, delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            return "unexpected end" in str(error) and not self._feed.is_cut
        return len(record) == self.n_fields

    def _fields(self, line: str) -> list[str]:
        return line.rstrip("\r\n").split(self._delimiter)

    def _learn(self, record: list[str]) -> None:
        self._n_learned_from += 1
        numeric = {place for place, field in enumerate(record) if _is_number(field)}
        self._numeric = numeric if self._numeric is None else self._numeric & numeric

    def _looks_like_row(self, line: str) -> bool:
        """Whether a line within quotes may be a row; prose has tabs as rarely as rows lack them."""
        if self.n_fields is None:
            return False
        n_fields = line.count(self._delimiter) + 1
        if self._delimiter == "\t":
            return n_fields >= max(2, self.n_fields - 1)
        if n_fields != self.n_fields:
            return False
        fields = self._fields(line)
        if any(field.startswith(" ") for field in fields):
            return False
        if self._numeric:
            return all(_is_number(fields[place]) for place in self._numeric)
        # Then the line where the quote is opened must look like a row without quotes, too.
        opening = self._fields(self._feed.taken[0])
        return len(opening) == self.n_fields and not any(map(_is_quoted, opening))


class _Feed:
    """Gives lines to the parser of CSV, and takes back those that are no part of its record."""

    def __init__(self, lines: Iterator[str], ends: Callable[[str], bool]) -> None:
        self.taken: list[str] = []  # by the record at hand
        self.is_cut = False  # the record ended before a line that looks like a row
        self.unescapes = False
        self._lines = lines
        self._ends = ends
        self._back: list[str] = []  # the next one last

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.pop() if self._back else next(self._lines)
        if self.taken and self._ends(line):
            self._back.append(line)
            self.is_cut = True
            raise StopIteration
        self.taken.append(line)
        return _unescape(line) if self.unescapes else line

    def ahead(self, n_lines: int) -> list[str]:
        """The next lines, which stay to be read."""
        new = list(islice(self._lines, max(0, n_lines - len(self._back))))
        self._back[:0] = reversed(new)
        return self._back[: -n_lines - 1 : -1]

    def take(self, n_lines: int) -> None:
        """Takes lines, whatever they look like, until the record has so many."""
        while len(self.taken) < n_lines:
            self.taken.append(self._back.pop())

    def give_back(self, n_kept: int) -> None:
        """Gives all but the first of the lines that were taken once more."""
        self._back += reversed(self.taken[n_kept:])
        del self.taken[n_kept:]


def _unescape(line: str) -> str:
    return _ESCAPED_QUOTE.sub(r'\1""', line) if "\\" in line else line


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"'


def _is_number(field: str) -> bool:
    try:
        return not field or float(field) is not None
    except ValueError:
        return False
