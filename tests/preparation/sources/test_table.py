import functools
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.rows import RAW_SCHEMA
from tests.preparation.reading import read_source

read = functools.partial(read_source, "table")


def users(path, **settings):
    return [row["user_id"] for row in read(path, **settings)[0]]


def test_columns_have_their_types_and_absent_ones_are_null(write_rows):
    row = {"user_id": 7, "item_id": "i", "rating": 4, "timestamp": 9.9, "text": "t", "split": "dev"}
    (found,), _, _ = read(write_rows([row]))
    assert found == row | {"user_id": "7", "rating": 4.0, "timestamp": 9, "title": None}
    (found,), _, _ = read(write_rows([{"user_id": "u", "item_id": "i"}]))
    assert found == dict.fromkeys(RAW_SCHEMA.names[2:]) | {"user_id": "u", "item_id": "i"}


def test_fields_by_other_names(write_rows):
    path = write_rows([{"who": "u", "what": "i", "stars": 3, "when": 5, "body": "b", "fold": "x"}])
    flags = {
        "user_field": "who", "item_field": "what", "rating_field": "stars", "time_field": "when",
        "text_field": "body", "split_field": "fold",
    }  # fmt: skip
    assert list(read(path, **flags)[0][0].values()) == ["u", "i", 3.0, 5, "b", "x", None]


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    (tmp_path / "part-1.csv").write_text("user_id,item_id\nb,2\n\nc,3\n")
    (tmp_path / "part-0.jsonl").write_text(json.dumps({"user_id": "a", "item_id": 1}) + "\n")
    (tmp_path / "README.md").write_text("not a table")
    rows, places, log = read(tmp_path)
    assert [row["user_id"] for row in rows] == ["a", "b", "c"]
    first, second = tmp_path / "part-0.jsonl", tmp_path / "part-1.csv"
    assert places == [f"{first}, line 1", f"{second}, line 2", f"{second}, line 4"]
    assert list(log.files) == [first, second]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        *(({flag: "zz"}, f"has no field 'zz'; it has: user_id, item_id; .*--{flag}")
          for flag in ("user_field", "item_field", "rating_field", "time_field", "text_field",
                       "split_field")),
        ({"text_encoder": "lsa"}, "no field 'text'; .*--text_field, or .*--text_encoder=none"),
        ({"split": "predefined"}, "no field 'split'; .*--split_field"),
    ],
)  # fmt: skip
def test_a_field_that_is_named_or_needed_must_be_there(write_rows, settings, message):
    with pytest.raises(DataError, match=message):
        read(write_rows([{"user_id": "u", "item_id": "i"}]), **settings)


def test_files_without_rows(tmp_path):
    (tmp_path / "header.csv").write_text("user_id,item_id\n")
    (tmp_path / "blank.jsonl").write_text("\n \n")
    for name in ("header.csv", "blank.jsonl"):
        with pytest.raises(DataError, match=f"{name} has no rows"):
            read(tmp_path / name)


def test_what_is_no_table(tmp_path):
    (tmp_path / "reviews.xlsx").write_text("x")
    with pytest.raises(DataError, match=r"reviews\.xlsx: its name must end in one of \.jsonl"):
        read(tmp_path / "reviews.xlsx")
    with pytest.raises(DataError, match="no file name in it ends in one of"):
        read(tmp_path)
    for name in ("nowhere", "no-*.csv", "reviews.xlsx,nowhere"):
        with pytest.raises(DataError, match=r"no input at .*no"):
            read(tmp_path / name)


def write_tables(folder, *names):
    """A row in each file, whose user is the name of the file."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = f'user_id,item_id\n"{name}",i\n'
        path.write_bytes(
            gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode()
        )


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("b.csv", ["b.csv"]),
        ("b.csv,a.csv,b.csv", ["b.csv", "a.csv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("x/**/*.[cC]*", ["x/C.CSV.gz", "x/y/d.csv"]),
        ("x, a.csv", ["x/C.CSV.gz", "x/y/d.csv", "a.csv"]),
        ("a,b.csv", ["a,b.csv"]),
        ("b.csv," * 1000 + "a.csv", ["b.csv", "a.csv"]),  # longer than any name of a file
    ],
)
def test_several_files(tmp_path, monkeypatch, named, expected):
    monkeypatch.chdir(tmp_path)
    tables = ("a.csv", "b.csv", "._b.csv", "x/C.CSV.gz", "x/y/d.csv", "x/_e.csv")
    write_tables(tmp_path, *tables, *(["a,b.csv"] if named == "a,b.csv" else []))
    assert users(Path(named)) == expected


def test_parts_without_rows_are_said(tmp_path):
    write_tables(tmp_path, "part-1.csv")
    (tmp_path / "part-0.csv").write_text("user_id,item_id\n")
    (tmp_path / "part-2.csv").touch()
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "data.xml").write_text("x")
    rows, _, log = read(tmp_path)
    assert [row["user_id"] for row in rows] == ["part-1.csv"]
    said = " ".join(log.notes)
    assert all(name in said for name in ("part-0.csv", "part-2.csv", "data.xml"))
    assert "_SUCCESS" not in said


@pytest.mark.parametrize(
    "splits",
    [
        {"train.csv": "train", "valid.csv": "valid", "test.csv": "test"},
        {"Train.csv.gz": "train", "dev.csv": "dev"},
        {"ml.train.csv": "train", "ml.eval.csv": "eval", "ml.test.csv": "test"},
        {"train-00000-of-00002.csv": "train", "train-00001-of-00002.csv": "train",
         "validation-00000-of-00001.csv": "validation"},
        {"train/part-0.csv": "train", "train/part-1.csv": "train", "test/part-0.csv": "test"},
        {"split=train/part-0.csv": "train", "split=valid/part-0.csv": "valid"},
        {"a.csv": None, "b.csv": None},
        {"train.csv": None},
        {"test.csv": None, "valid.csv": None},
    ],
)  # fmt: skip
def test_splits_in_files_of_their_own(tmp_path, splits):
    write_tables(tmp_path, *splits)
    rows = read(tmp_path)[0]
    assert {row["user_id"]: row["split"] for row in rows} == splits
    assert {row["split"] for row in read(tmp_path, split_field="")[0]} == {None}


def test_a_file_of_no_split_among_others(tmp_path):
    write_tables(tmp_path, "train.csv", "test.csv", "more.csv")
    with pytest.raises(DataError, match=r"more\.csv is not; name the files"):
        read(tmp_path)


def test_columns_of_the_file_go_before_those_of_its_name(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("user_id,item_id,split\nu,i,valid\n")
    assert [row["split"] for row in read(tmp_path)[0]] == ["valid", "valid"]


def test_partitions_of_hive(tmp_path):
    names = ("user_id", "item_id", "rating")
    rows = [("u/1", "i", 1), ("u 2", "i", 2), (None, "i", 3), ("u/1", "j", 4)]
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    partitioning = ds.partitioning(pa.schema([table.schema.field("user_id")]), flavor="hive")
    ds.write_dataset(table, tmp_path, format="parquet", partitioning=partitioning)
    found = [tuple(row[name] for name in names) for row in read(tmp_path)[0]]
    assert sorted(found, key=str) == sorted(rows, key=str)


def test_any_file_with_a_separator_that_is_given(tmp_path):
    path = tmp_path / "ratings.dat"
    path.write_text("1::1193::5::978300760\n2::661::3::978302109\n")
    flags = ("user_field", "item_field", "rating_field", "time_field")
    fields = dict(zip(flags, "1234", strict=True))
    rows = read(path, delimiter="::", header=False, **fields)[0]
    assert [list(row.values())[:4] for row in rows] == [
        ["1", "1193", 5, 978300760], ["2", "661", 3, 978302109]
    ]  # fmt: skip
    with pytest.raises(DataError, match="--delimiter"):
        read(path)


@pytest.mark.parametrize("name", ["timestmp", "Timestamp"])
def test_a_misspelled_column_is_not_left_out_in_silence(tmp_path, name):
    path = tmp_path / "r.csv"
    path.write_text(f"user_id,item_id,{name}\na,x,1600000000\n")
    with pytest.raises(DataError, match=f"no field 'timestamp', but '{name}'; .*--time_field"):
        read(path)
    assert read(path, time_field="")[0][0]["timestamp"] is None
    assert read(path, time_field=name)[0][0]["timestamp"] == 1_600_000_000


def test_fields_that_are_not_read_are_named(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("user_id,item_id,stars,text\na,x,5,good\n")
    [note] = read(path)[2].notes
    assert all(name in note for name in ("'rating'", "'timestamp'", "'stars'"))
    assert "'text'" not in note
    assert not read(path, rating_field="stars", time_field="")[2].notes
