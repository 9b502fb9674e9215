"""A table in memory is prepared as the same rows in a file are."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings


def prepared(folder, name, frame=None, **settings):
    settings = {"source": "table", "text_encoder": "none"} | settings
    return prepare(PrepareSettings(output=folder / name, **settings), frame=frame)


def test_it_gives_the_same_as_a_parquet_file(tmp_path, rows):
    frame = pa.concat_tables([pa.Table.from_pylist(rows[:30]), pa.Table.from_pylist(rows[30:])])
    pq.write_table(frame, tmp_path / "rows.parquet")
    filed = prepared(tmp_path, "filed", input=tmp_path / "rows.parquet")
    framed = prepared(tmp_path, "framed", frame)
    assert framed.manifest.source["options"]["fields"] == filed.manifest.source["options"]["fields"]
    assert framed.manifest.source["files"] == []
    assert framed.reviews().equals(filed.reviews())
    more = frame.slice(0, 5).set_column(0, "user_id", [[f"new{n}" for n in range(5)]])
    prepared(tmp_path, "framed", more, append=True)
    grown = ReviewDataset.load(tmp_path / "framed")
    assert grown.manifest.n_reviews == len(rows) + 5
    assert json.dumps(grown.manifest.source)


def test_ids_are_integers_where_the_data_says_so(tmp_path):
    numbers = pa.table({"user_id": [7, 7, 8], "item_id": ["1", "2", "1"]})
    some = numbers.set_column(0, "user_id", pa.array([7, None, 8]).cast(pa.float64()))
    pq.write_table(numbers, tmp_path / "a.parquet")
    pq.write_table(some, tmp_path / "b.parquet")
    csv.write_csv(numbers, tmp_path / "c.csv")
    lines = [json.dumps(row) for row in numbers.to_pylist()]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    (tmp_path / "e.jsonl").write_text("\n".join([*lines, '{"user_id": "9", "item_id": "1"}']))
    (tmp_path / "both").mkdir()
    for name in ("a.parquet", "c.csv"):
        shutil.copy(tmp_path / name, tmp_path / "both" / name)
    for name, expected in (
        *(("a.parquet", True), ("b.parquet", True), ("c.csv", False), ("d.jsonl", True)),
        *(("e.jsonl", False), ("both", False), (None, True)),
    ):
        source = {"frame": numbers} if name is None else {"input": tmp_path / name}
        options = {"on_bad_row": "skip", "max_bad_share": 0.5, "overwrite": True}
        found = prepared(tmp_path, "out", **source, **options)
        assert found.has_integer_ids("user") == expected and not found.has_integer_ids("item")
        assert set(found.user_ids()) >= {"7", "8"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user_id": ["u", None], "item_id": ["i", "i"]}, "the data frame, row 2: no user_id"),
        ({"user_id": ["u"]}, "the data frame has no field 'item_id'"),
        ({"user_id": [], "item_id": []}, "the data frame has no rows"),
        ({"user_id": ["u"], "item_id": [[1]]}, "the data frame, row 1: item_id is"),
    ],
)
def test_what_is_wrong_names_the_frame_and_the_row(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        prepared(tmp_path, "out", pa.table(columns))
    assert not list(tmp_path.iterdir())


def test_a_column_that_is_there_twice(tmp_path):
    frame = pa.table([["u"], ["v"], ["i"]], ["user_id", "user_id", "item_id"])
    with pytest.raises(DataError, match="the data frame has 2 columns 'user_id'"):
        prepared(tmp_path, "out", frame)


def test_one_input_alone(tmp_path):
    frame = pa.table({"user_id": ["u"], "item_id": ["i"]})
    with pytest.raises(ConfigError, match="a data frame is also given"):
        prepared(tmp_path, "out", frame, input=tmp_path / "x.csv")
    with pytest.raises(ConfigError, match="--source=synthetic"):
        prepared(tmp_path, "out", frame, source="synthetic")
    with pytest.raises(ConfigError, match="--input is missing"):
        prepared(tmp_path, "out")
