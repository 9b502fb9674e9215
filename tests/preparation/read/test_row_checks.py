from pathlib import Path

import pyarrow as pa
import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.row_checks import split_codes, well_formed
from symcere_jax.preparation.read.rows import ReadingLog, raw_rows, where
from symcere_jax.preparation.settings import PrepareSettings


def rows_of(**columns) -> pa.Table:
    n = len(next(iter(columns.values())))
    columns = {"user_id": ["u"] * n, "item_id": ["i"] * n} | columns
    return raw_rows(columns, range(2, n + 2), "file, line")


def check(rows: pa.Table, log: ReadingLog | None = None, **settings) -> pa.Table:
    preparation = PrepareSettings(source="synthetic", output=Path("out"), **settings)
    return well_formed(rows, preparation, log or ReadingLog("fail", 0))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        *(({"user_id": ["a", blank, "c"]}, "line 3: no who") for blank in (None, "", " \t")),
        ({"item_id": ["a", None]}, "line 3: no item_id"),
        ({"rating": [3.0, None, float("inf")]}, "line 4: stars is inf, no number"),
        ({"rating": [float("-inf")]}, "line 2: stars is -inf, no number"),
        *(({"split": ["train", bad]}, "line 3: fold is .*, must be one of train, valid")
          for bad in ("", "trains", "holdout")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_as_the_file_calls_it(columns, message):
    log = ReadingLog("fail", 0)
    log.fields = {"user_id": "who", "rating": "stars", "split": "fold"}
    with pytest.raises(DataError, match=f"file, {message}"):
        check(rows_of(**columns), log)


def test_split_names_and_their_other_forms():
    names = ["Train", "valid", "VALIDATION", "dev ", "val", "test", None, "other"]
    codes = split_codes(pa.chunked_array([pa.array(names, pa.large_string())]))
    assert codes.type == pa.int8()
    assert codes.to_pylist() == [0, 1, 1, 1, 1, 2, None, None]


def test_a_missing_split_is_wrong_where_one_is_needed():
    with pytest.raises(DataError, match=r"file, line 3: split is None, must be one of train"):
        check(rows_of(split=["train", None]), split="predefined")
    assert len(check(rows_of(split=["train", "trains"]), split="ratio")) == 2
    assert len(check(rows_of(split=[None, None]))) == 2


def test_bad_rows_are_left_out_once_and_counted():
    log = ReadingLog("skip", 1)
    left = check(
        rows_of(user_id=["a", None, "c", "d"], rating=[float("nan"), 9.0, 3.0, float("inf")]), log
    )
    assert left["user_id"].to_pylist() == ["c"]
    assert where(left, 0) == "file, line 4"
    assert log.dropped == {"bad row: no user_id": 1, "bad row: rating out of range": 2}
