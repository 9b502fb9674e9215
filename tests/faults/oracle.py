"""What Python's csv and json, and DuckDB, read of a table: no code of the package."""

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tests.preparation.writers import COLUMNS

Row = tuple[Any, ...]  # values of COLUMNS
MISSING = {"", "NA", "NULL", "NaN", "nan", "null", "None", r"\N"}
_ESCAPED = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
_DELIMITERS = {"csv '\\t'": "\t", "csv ';'": ";", "csv '|'": "|", "excel, european": ";"}
_DELIMITERS |= {"excel, unicode": "\t", "arrow_csv_all": "\t", "r_write_table": "\t"}
_DELIMITERS |= {"unquoted_tabs": "\t", "duckdb csv, bars": "|"}


def is_text(path: Path) -> bool:
    """Whether the bytes of a row lie together in a file."""
    return path.suffix.lower() in (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")


def readings(path: Path, writer: str) -> Iterator[list[Row]]:
    """The rows of a file, in each way to read it that its format allows; none if it has none.

    Args:
        path: the file.
        writer: name of what wrote it.
    """
    with contextlib.suppress(
        ValueError, KeyError, EOFError, OSError, csv.Error, lzma.LZMAError, zipfile.BadZipFile,
        zlib.error, NotImplementedError, duckdb.Error, pa.ArrowException,
    ):  # fmt: skip
        if path.suffix == ".parquet":
            names = ", ".join(COLUMNS if "item_id=" not in str(path) else ("user_id", *COLUMNS[2:]))
            rows = duckdb.sql(f"SELECT {names} FROM '{path}'").fetchall()
            yield [_row(dict(zip(names.split(", "), row, strict=True)), path) for row in rows]
            return
        content = _unpacked(path)
        for encoding in ("utf-16",) if "unicode" in writer else ("utf-8-sig", "cp1252"):
            with contextlib.suppress(ValueError, KeyError, OverflowError, csv.Error):
                yield [_row(row, path) for row in _parsed(content.decode(encoding), path, writer)]


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return archive.read(archive.infolist()[0])
    if path.suffix == ".zst":
        return pa.CompressedInputStream(io.BytesIO(content), "zstd").read()
    openers = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
    return openers.get(path.suffix, bytes)(content)


def _parsed(text: str, path: Path, writer: str) -> Iterator[dict[str, Any]]:
    if ".json" in path.name or ".ndjson" in path.name:
        for line in filter(str.strip, text.split("\n")):
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(line)
            yield row
        return
    if writer == "excel, european":
        first, _, text = text.partition("\n")
        if first != "sep=;\r":
            raise ValueError(first)
    delimiter = next((d for name, d in _DELIMITERS.items() if writer.startswith(name)), ",")
    if writer in ("spark_csv", "r_write_table", "duckdb csv, escaped"):
        text = _ESCAPED.sub(r'\1""', text)
    reader: Iterable[list[str]]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    if writer == "unquoted_tabs":
        reader = (line.split("\t") for line in text.split("\n") if line)
    lines = (line for line in reader if line)
    header = next(lines)
    for fields in lines:
        yield dict(zip(header, fields, strict=True))


def _row(row: dict[str, Any], path: Path) -> Row:
    """The values of a row, typed; folders named as a column and its value have that of it."""
    row = dict(re.findall(r"(user_id|item_id)=([^/]*)", str(path).replace("%20", " "))) | row
    user, item, text = (row.get(name) for name in ("user_id", "item_id", "text"))
    rating, time = (
        None if value is None or str(value).strip() in MISSING else float(value)
        for value in (row.get("rating"), row.get("timestamp"))
    )
    for name in (user, item):
        if name is None or not str(name).strip() or name in MISSING:
            raise ValueError(name)
    if rating is not None and not 1 <= rating <= 5:
        raise ValueError(rating)
    time = None if time is None or math.isnan(time) else math.floor(time)
    text = "" if text is None or text in MISSING else str(text)
    return str(user), str(item), None if rating != rating else rating, time, text
