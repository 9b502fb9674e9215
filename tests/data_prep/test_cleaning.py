import numpy as np
import pyarrow as pa
import pytest

from data_prep.cleaning import check_ids, check_ratings, check_timestamps, split_codes
from data_prep.sources.raw import RAW_SCHEMA
from symcere_jax.errors import DataError


def where(row: int) -> str:
    return f"file, line {row + 2}"


def table(**columns) -> pa.Table:
    n = len(next(iter(columns.values())))
    return pa.table({name: columns.get(name, [None] * n) for name in RAW_SCHEMA.names}, RAW_SCHEMA)


@pytest.mark.parametrize("column", ["user_id", "item_id"])
@pytest.mark.parametrize("blank", [None, "", " \t"])
def test_a_missing_id_is_named(column, blank):
    columns = {"user_id": ["a", "b", "c"], "item_id": ["1", "2", "3"]}
    check_ids(table(**columns), where)
    columns[column][1] = blank
    with pytest.raises(DataError, match=f"file, line 3: no {column}"):
        check_ids(table(**columns), where)


def test_ratings_at_the_bounds_and_missing_ones_are_valid():
    check_ratings(table(rating=[1.0, 5.0, None, 3.3]), 1, 5, where)
    check_ratings(table(rating=[None]), 1, 5, where)
    check_ratings(table(rating=[-0.5, 10.0]), -1, 10, where)


@pytest.mark.parametrize("bad", [0.99, 5.01, float("nan"), float("inf"), -float("inf")])
def test_a_rating_out_of_range_is_named(bad):
    with pytest.raises(DataError, match=r"file, line 4: rating is .*, must be in 1 … 5"):
        check_ratings(table(rating=[3.0, None, bad]), 1, 5, where)


def test_split_names_and_their_other_forms():
    names = ["train", "valid", "validation", "dev", "val", "test"]
    codes = split_codes(table(split=names), where)
    assert codes.dtype == np.int8
    assert codes.tolist() == [0, 1, 1, 1, 1, 2]


@pytest.mark.parametrize("bad", [None, "", "Train", "holdout"])
def test_an_unknown_split_is_named(bad):
    with pytest.raises(DataError, match=r"file, line 3: split is .*, must be one of train, valid"):
        split_codes(table(split=["train", bad]), where)


def test_the_first_row_of_the_file_without_a_time_is_named():
    rows = np.array([4, 9, 1, 7])
    check_timestamps(np.zeros(4, bool), "temporal", rows, where)
    with pytest.raises(
        DataError, match=r"line 9: no timestamp, .*--split=temporal .*2 of 4 reviews"
    ):
        check_timestamps(np.array([False, True, False, True]), "temporal", rows, where)
