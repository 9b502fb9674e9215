"""The lines of a text file, in an encoding that is given or detected."""

import codecs
import functools
import io
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NoReturn

import ftfy.bad_codecs  # noqa: F401  registers the encoding of `_LATIN`

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.rows import ReadingLog

_MAX_LINE_BYTES = 1 << 28
_LINES_AHEAD = 10_000  # looked at before a file is taken for Windows-1252
_BOM = "\ufeff"
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_LATIN = "sloppy-windows-1252"  # of ftfy; bytes without a letter become control characters


class TextLines:
    r"""Iterates over the lines of a file, which end in "\n", but for the last one.

    UTF-16 is recognized by its byte order mark or its zeros. At the first line that is not UTF-8,
    the file is taken for Windows-1252 (which contains Latin-1) if hardly a line beyond ASCII is
    UTF-8, and letters beyond ASCII mostly stand alone, as they do in Latin script only.
    """

    def __init__(self, stream: BinaryIO, path: Path, encoding: str | None, log: ReadingLog) -> None:
        self._path = path
        self._log = log
        self._is_found_out = encoding is None
        self._encoding = encoding or _wide_encoding(stream) or "utf-8"
        self._undecodable: dict[int, str] = {}  # line -> why it is not decoded as a whole
        if codecs.lookup(self._encoding).name[:6] in ("utf-16", "utf-32"):
            if self._is_found_out:
                log.notes.append(f"{path} is read as {self._encoding}")
            self._lines = self._wide_lines(stream)
        else:
            self._lines = self._narrow_lines(stream)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def problem(self, first: int, n_lines: int) -> str:
        """Why one of some lines that were given cannot be decoded; empty if all can."""
        for number in range(first, first + n_lines) if self._undecodable else ():
            if reason := self._undecodable.pop(number, None):
                return (
                    f"{self._path}, line {number}: not {self._encoding.upper()} ({reason}); "
                    "download the file again if it is damaged, or set --encoding"
                )
        return ""

    def _wide_lines(self, stream: BinaryIO) -> Iterator[str]:
        with io.TextIOWrapper(stream, self._encoding, "replace", newline="\n") as content:
            read = functools.partial(content.readline, _MAX_LINE_BYTES)
            for number, line in enumerate(iter(read, ""), start=1):
                if len(line) == _MAX_LINE_BYTES:
                    self._refuse_length(number)
                if line.endswith("\ufffd"):  # after a lost byte, all letters are others
                    raise DataError(
                        f"{self._path}: bytes are missing or added, in line {number} or before; "
                        "download the file again"
                    )
                if "\ufffd" in line or "\0" in line:
                    self._undecodable[number] = "invalid data"
                yield line if number > 1 else line.removeprefix(_BOM)

    def _narrow_lines(self, stream: BinaryIO) -> Iterator[str]:
        lines: Iterator[bytes]
        lines = iter(functools.partial(stream.readline, _MAX_LINE_BYTES + 1), b"")
        encoding = self._encoding
        n_utf8 = number = 0
        while raw := next(lines, b""):
            number += 1
            if len(raw) > _MAX_LINE_BYTES:
                self._refuse_length(number)
            try:
                line = raw.decode(encoding)
                n_utf8 += not line.isascii()
            except UnicodeDecodeError as error:
                if self._is_found_out:
                    self._is_found_out = False
                    ahead = list(islice(lines, _LINES_AHEAD))
                    lines = chain(ahead, lines)
                    if _is_latin([raw, *ahead], n_utf8):
                        encoding = _LATIN
                        self._log.notes.append(
                            f"{self._path} is not UTF-8 (line {number}) but read as Windows-1252, "
                            "which contains Latin-1; --encoding names another one"
                        )
                line = raw.decode(encoding, "replace")
                if encoding != _LATIN:
                    self._undecodable[number] = error.reason
            if "\0" in line:  # as a crash leaves them
                self._undecodable[number] = "zero bytes"
            yield line if number > 1 else line.removeprefix(_BOM)

    def _refuse_length(self, number: int) -> NoReturn:
        raise DataError(f"{self._path}, line {number}: longer than 256 MiB; this is not a table")


def _wide_encoding(stream: BinaryIO) -> str | None:
    """UTF-16, where the file begins so."""
    head = stream.peek(64)[:64]  # type: ignore[attr-defined]
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    for place, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        letters = head[place::2]
        if (
            len(letters) > 1
            and letters.count(0) > len(letters) / 2
            and 0 not in head[1 - place :: 2]
        ):
            return name
    return None


def _is_latin(lines: list[bytes], n_utf8: int) -> bool:
    n_other = n_alone = n_runs = 0
    for line in lines:
        runs = _BEYOND_ASCII.findall(line)
        if not runs:
            continue
        try:
            line.decode()
            n_utf8 += 1
        except UnicodeDecodeError:
            n_other += 1
            n_runs += len(runs)
            n_alone += sum(len(run) == 1 for run in runs)
    return n_utf8 <= 0.01 * n_other and n_alone > n_runs / 2
