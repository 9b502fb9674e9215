"""A table of reviews as many kinds of software write it."""

import csv
import gzip
import json
import math
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

COLUMNS = ("user_id", "item_id", "rating", "timestamp", "text")
Rows = list[dict[str, Any]]
Writer = Callable[[Path, Rows], Path]  # takes a folder, returns what to read
WRITERS: dict[str, Writer] = {}
WORDS = ("good", "bad", "schön", "很好", "a,b", "x;y", "p|q", "5", "Ant", "–", "don't", "£5", "#1")
MARKS = (
    '"', '""', '"quoted"', "'", '5"', ",", ";", "|", "\\", "C:\\dir", '\\"', "\t", "\n", "\r\n",
    "\n\n", "(a, b, c, d)", "=1+1", "{}", "[1]",
)  # fmt: skip
# Quotes escaped by backslashes, which is said where it cannot be told.
ESCAPED = ("spark_csv", "r_write_table", "duckdb csv, escaped")
# What a format cannot hold, or has in a way that cannot be told from another.
CANNOT_HOLD = {"unquoted_tabs": "\t\n\r"} | dict.fromkeys(ESCAPED, "\\")


def truth(seed: int, writer: str, n_rows: int = 40) -> Rows:
    """Rows of different pairs, times and texts, as far as a writer can write them."""
    rng = random.Random(seed)
    without = CANNOT_HOLD.get(writer, "")
    pairs = rng.sample([(user, item) for user in range(n_rows // 4) for item in range(7)], n_rows)
    times = rng.sample(range(1_500_000_000, 1_700_000_000), n_rows)
    rows = []
    for row, ((user, item), time) in enumerate(zip(pairs, times, strict=True)):
        words = rng.choices(WORDS, k=rng.randint(0, 30)) + rng.choices(MARKS, k=rng.randint(0, 2))
        rng.shuffle(words)
        text = "" if row == 5 else " ".join(words).strip()
        for letter in without:
            text = text.replace(letter, "/")
        if writer == "unquoted_tabs":  # quotes around a whole text are taken for those of CSV
            text = text.strip('"')
        rating = rng.choice([1, 2, 3, 4, 5, None])
        values = (f"u {user}", f"i{item}", rating, time, text)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def _writer(function: Writer) -> Writer:
    WRITERS[function.__name__] = function
    return function


def _lines(row: dict[str, Any], missing: str) -> list[str]:
    return [missing if row[name] is None else str(row[name]) for name in COLUMNS]


def _delimited(name: str, encoding: str = "utf-8", before: str = "", **dialect: Any) -> Writer:
    def write(folder: Path, rows: Rows) -> Path:
        path = folder / name
        with path.open("w", newline="", encoding=encoding, errors="replace") as file:
            file.write(before)
            writer = csv.writer(file, **dialect)
            writer.writerows([COLUMNS, *(_lines(row, "") for row in rows)])
        return path

    return write


for _delimiter in (",", "\t", ";", "|"):
    for _quoting in ("MINIMAL", "ALL", "NONNUMERIC"):
        WRITERS[f"csv {_delimiter!r} {_quoting}"] = _delimited(
            "r.csv", delimiter=_delimiter, quoting=getattr(csv, f"QUOTE_{_quoting}")
        )
WRITERS |= {
    "unix": _delimited("r.csv", dialect="unix"),
    "excel, european": _delimited("r.csv", "utf-8-sig", "sep=;\r\n", delimiter=";"),
    "excel, unicode text": _delimited("r.txt", "utf-16", delimiter="\t"),
    "excel, utf-8": _delimited("R.CSV", "utf-8-sig"),
}


def _table(rows: Rows) -> pa.Table:
    return pa.table({name: [row[name] for row in rows] for name in COLUMNS})


@_writer
def arrow_csv(folder: Path, rows: Rows) -> Path:
    pcsv.write_csv(_table(rows), folder / "r.csv")
    return folder / "r.csv"


@_writer
def arrow_csv_all_quoted(folder: Path, rows: Rows) -> Path:
    options = pcsv.WriteOptions(quoting_style="all_valid", delimiter="\t")
    pcsv.write_csv(_table(rows), folder / "r.tsv", options)
    return folder / "r.tsv"


def _parquet(**options: Any) -> Writer:
    def write(folder: Path, rows: Rows) -> Path:
        pq.write_table(_table(rows), folder / "r.parquet", **options)
        return folder / "r.parquet"

    return write


for _compression in ("none", "snappy", "zstd", "gzip", "brotli"):
    WRITERS[f"parquet {_compression}"] = _parquet(compression=_compression, row_group_size=7)


@_writer
def pandas_parquet(folder: Path, rows: Rows) -> Path:
    """With categories, and a rating that is a float since one is missing."""
    table = _table(rows)
    ratings = [math.nan if row["rating"] is None else float(row["rating"]) for row in rows]
    for name in ("user_id", "item_id"):
        place = COLUMNS.index(name)
        table = table.set_column(place, name, table[name].dictionary_encode())
    pq.write_table(table.set_column(2, "rating", pa.array(ratings)), folder / "r.parquet")
    return folder / "r.parquet"


def _json(name: str, missing: Any = None, **options: Any) -> Writer:
    def write(folder: Path, rows: Rows) -> Path:
        filled = (
            {key: missing if value is None else value for key, value in row.items()} for row in rows
        )
        content = "".join(json.dumps(row, **options) + "\n" for row in filled).encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return folder / name

    return write


WRITERS |= {
    "json": _json("r.jsonl"),
    "json, pandas": _json("r.json", math.nan),
    "json, jq": _json("r.ndjson.gz", ensure_ascii=False, separators=(",", ":")),
    "json, sorted": _json("r.jsonl", sort_keys=True),
}


def _duckdb(name: str, options: str) -> Writer:
    def write(folder: Path, rows: Rows) -> Path:
        with duckdb.connect() as connection:
            connection.register("rows", _table(rows))
            connection.execute(f"COPY rows TO '{folder / name}' ({options})")
        return folder / name

    return write


WRITERS |= {
    "duckdb csv": _duckdb("r.csv", "FORMAT csv"),
    "duckdb csv, bars": _duckdb("r.csv", "FORMAT csv, DELIMITER '|', FORCE_QUOTE *"),
    "duckdb csv, escaped": _duckdb("r.csv", r"FORMAT csv, ESCAPE '\', FORCE_QUOTE (text)"),
    "duckdb csv, zstd": _duckdb("r.csv.zst", "FORMAT csv, COMPRESSION zstd"),
    "duckdb csv, NULL": _duckdb("r.csv", r"FORMAT csv, NULLSTR '\N'"),
    "duckdb json": _duckdb("r.json", "FORMAT json"),
    "duckdb parquet": _duckdb("r.parquet", "FORMAT parquet, COMPRESSION zstd"),
    "duckdb parquet, partitioned": _duckdb("parts", "FORMAT parquet, PARTITION_BY (item_id)"),
    "duckdb csv, partitioned": _duckdb("parts", "FORMAT csv, PARTITION_BY (user_id)"),
}


def _r(row: dict[str, Any], quote: str) -> list[str]:
    """Strings in quotes, numbers without, and NA."""
    return [
        "NA" if value is None
        else '"' + value.replace('"', quote) + '"' if isinstance(value, str)
        else str(value)
        for value in (row[name] for name in COLUMNS)
    ]  # fmt: skip


@_writer
def r_write_csv(folder: Path, rows: Rows) -> Path:
    """With names of rows, whose column has no name."""
    lines = [",".join(['""', *(f'"{name}"' for name in COLUMNS)])]
    lines += [",".join([f'"{n}"', *_r(row, '""')]) for n, row in enumerate(rows, start=1)]
    (folder / "r.csv").write_text("\n".join(lines) + "\n", newline="")
    return folder / "r.csv"


@_writer
def r_write_table(folder: Path, rows: Rows) -> Path:
    """Without names of rows, with quotes escaped by backslashes."""
    lines = ["\t".join(f'"{name}"' for name in COLUMNS)]
    lines += ["\t".join(_r(row, '\\"')) for row in rows]
    (folder / "r.txt").write_text("\n".join(lines) + "\n", newline="")
    return folder / "r.txt"


@_writer
def spark_csv(folder: Path, rows: Rows) -> Path:
    """Several parts, one of them without rows, and what Spark keeps beside them."""
    (folder / "out").mkdir()
    for part in range(3):
        lines = [",".join(COLUMNS)]
        for row in rows[part::2] if part < 2 else []:
            fields = [
                '"' + field.replace('"', '\\"') + '"' if set(field) & set('",\n\r') else field
                for field in _lines(row, "")
            ]
            lines.append(",".join(fields))
        path = folder / "out" / f"part-0000{part}-6f.csv"
        path.write_text("\n".join(lines) + "\n", newline="")
        path.with_name(f".{path.name}.crc").write_bytes(b"crc\0")
    (folder / "out" / "_SUCCESS").touch()
    return folder / "out"


@_writer
def unquoted_tabs(folder: Path, rows: Rows) -> Path:
    """As Amazon's files were: no quoting at all, so no tabs and line breaks in texts."""
    lines = ["\t".join(_lines(row, "")) for row in rows]
    (folder / "r.tsv").write_text("\n".join(["\t".join(COLUMNS), *lines]) + "\n", newline="")
    return folder / "r.tsv"


@_writer
def zipped_csv(folder: Path, rows: Rows) -> Path:
    path = WRITERS["unix"](folder, rows)
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "data/r.csv")
    path.unlink()
    return folder / "archive.zip"
