import json

import pyarrow as pa
import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows
from symcere_jax.preparation.read.raw import RAW_SCHEMA
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import SOURCES


def read(path, **settings):
    """All rows, and where each stands."""
    settings = {"text_encoder": "none"} | settings
    preparation = PrepareSettings(source="table", input=path, output=path / "out", **settings)
    blocks = list(SOURCES["table"].read(preparation, BadRows("fail", 0)))
    places = [block.where(row) for block in blocks for row in range(len(block.table))]
    files = list(dict.fromkeys(block.file for block in blocks))
    return pa.concat_tables([block.table for block in blocks]), places, files


def test_all_columns_with_their_types(write_rows):
    row = {"user_id": 7, "item_id": "i", "rating": 4, "timestamp": 9.9, "text": "t", "split": "dev"}
    table, _, _ = read(write_rows([row]))
    assert table.schema == RAW_SCHEMA
    assert table.to_pylist() == [row | {"user_id": "7", "rating": 4.0, "timestamp": 9}]


def test_absent_optional_fields_are_null(write_rows):
    table, _, _ = read(write_rows([{"user_id": "u", "item_id": "i"}]))
    (row,) = table.to_pylist()
    absent = dict.fromkeys(("rating", "timestamp", "text", "split"))
    assert row == {"user_id": "u", "item_id": "i", **absent}


def test_fields_by_other_names(write_rows):
    path = write_rows([{"who": "u", "what": "i", "stars": 3, "when": 5, "body": "b", "fold": "x"}])
    table, _, _ = read(
        path,
        user_field="who",
        item_field="what",
        rating_field="stars",
        time_field="when",
        text_field="body",
        split_field="fold",
    )
    assert list(table.to_pylist()[0].values()) == ["u", "i", 3.0, 5, "b", "x"]


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    (tmp_path / "part-1.csv").write_text("user_id,item_id\nb,2\n\nc,3\n")
    (tmp_path / "part-0.jsonl").write_text(json.dumps({"user_id": "a", "item_id": 1}) + "\n")
    (tmp_path / "README.md").write_text("not a table")
    table, places, files = read(tmp_path)
    assert table["user_id"].to_pylist() == ["a", "b", "c"]
    assert [*places] == [
        f"{tmp_path / 'part-0.jsonl'}, line 1",
        f"{tmp_path / 'part-1.csv'}, line 2",
        f"{tmp_path / 'part-1.csv'}, line 4",
    ]
    assert [path.name for path in files] == ["part-0.jsonl", "part-1.csv"]


@pytest.mark.parametrize("flag", ["rating_field", "time_field", "text_field", "split_field"])
def test_an_optional_field_that_is_named_must_be_there(write_rows, flag):
    path = write_rows([{"user_id": "u", "item_id": "i"}])
    with pytest.raises(DataError, match=f"has no field 'zz'; it has: user_id, item_id; .*--{flag}"):
        read(path, **{flag: "zz"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"user_field": "who"}, "no field 'who'; .*--user_field"),
        ({"item_field": "what"}, "no field 'what'; .*--item_field"),
        ({"text_encoder": "lsa"}, "no field 'text'; .*--text_field, or .*--text_encoder=none"),
        ({"split": "predefined"}, "no field 'split'; .*--split_field"),
    ],
)
def test_a_needed_field_must_be_there(write_rows, settings, message):
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
    with pytest.raises(DataError, match=r"reviews\.xlsx: its name ends in one of \.jsonl"):
        read(tmp_path / "reviews.xlsx")
    with pytest.raises(DataError, match="no file in it ends in one of"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"no input at .*nowhere"):
        read(tmp_path / "nowhere")
