import csv
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from symcere_jax.preparation.read import formats
from symcere_jax.preparation.read.formats import delimited, json_lines, parquet
from symcere_jax.preparation.read.rows import ReadingLog

WANTED = ("user", "text")


def read(path, wanted=WANTED, log=None):
    """All rows of a file as (line, field -> value)."""
    rows = []
    for block in formats.reader_of(path)(path, wanted, log or ReadingLog("fail", 0)):
        columns = {name: column.to_pylist() for name, column in block.columns.items()}
        for place, line in enumerate(block.lines.tolist()):
            rows.append((line, {name: column[place] for name, column in columns.items()}))
    return rows


def write(tmp_path, name, content: bytes):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


EXPECTED = [{"user": "a", "text": 'x, "y"\nz'}, {"user": "ü", "text": ""}]
CSV = 'user,other,text\na,1,"x, ""y""\nz"\n\nü,2,\n'.encode()
JSON = b"".join(json.dumps(row).encode() + b"\n\n" for row in EXPECTED)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("r.csv", CSV, [2, 5]),
        ("r.csv", CSV.replace(b"\n", b"\r\n"), [2, 5]),
        ("r.tsv", CSV.replace(b",", b"\t").replace(b"x\t", b"x,"), [2, 5]),
        ("r.jsonl", JSON, [1, 3]),
        ("r.json", JSON.rstrip(), [1, 3]),
    ],
)
def test_text_formats(tmp_path, name, content, lines, bom, suffix):
    found = read(write(tmp_path, name + suffix, bom + content))
    assert [line for line, _ in found] == lines
    rows = [{k: v.replace("\r", "") for k, v in row.items()} for _, row in found]
    assert rows == EXPECTED


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
def test_blocks_join_to_the_whole(tmp_path, monkeypatch, name):
    rows = [{"user": f"u{i}", "text": "a\n" * (i % 3)} for i in range(10)]
    path = tmp_path / name
    if name == "r.csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, WANTED)
            writer.writeheader()
            writer.writerows(rows)
    elif name == "r.jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    whole = read(path)
    monkeypatch.setattr(delimited, "_BLOCK_ROWS", 3)
    monkeypatch.setattr(parquet, "_BLOCK_ROWS", 3)
    monkeypatch.setattr(json_lines, "_HEAD_BYTES", 40)
    monkeypatch.setattr(json_lines, "_BLOCK_BYTES", 70)
    assert len(list(formats.reader_of(path)(path, WANTED, ReadingLog("fail", 0)))) > 3
    assert read(path) == whole
    assert [row for _, row in whole] == rows


def test_fields_beyond_the_csv_module_s_own_limit(tmp_path):
    path = write(tmp_path, "r.csv", b"user,text\na," + b"x" * 200_000 + b"\n")
    assert len(read(path)[0][1]["text"]) == 200_000


def test_found_lists_all_fields_and_columns_only_the_wanted(tmp_path):
    path = write(tmp_path, "r.jsonl", b'{"a": 1, "user": "x"}\n{"b": 2, "user": "y"}\n')
    (block,) = formats.reader_of(path)(path, WANTED, ReadingLog("fail", 0))
    assert block.fields == ("a", "user", "b")
    assert list(block.columns) == ["user"]
    np.testing.assert_array_equal(block.lines, [1, 2])


def test_unknown_suffixes_have_no_format(tmp_path):
    assert formats.reader_of(tmp_path / "reviews.xlsx") is None
    assert formats.reader_of(tmp_path / "reviews.gz") is None
