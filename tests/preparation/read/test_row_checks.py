import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows
from symcere_jax.preparation.read.raw import RAW_SCHEMA, RawBlock
from symcere_jax.preparation.read.row_checks import split_codes, well_formed
from symcere_jax.preparation.settings import PrepareSettings


def block(**columns) -> RawBlock:
    n = len(next(iter(columns.values())))
    columns = {"user_id": ["u"] * n, "item_id": ["i"] * n} | columns
    table = pa.table({name: columns.get(name, [None] * n) for name in RAW_SCHEMA.names}, RAW_SCHEMA)
    return RawBlock(table, np.arange(2, n + 2), "file, line", None)


def check(rows: RawBlock, bad: BadRows | None = None, **settings) -> RawBlock:
    preparation = PrepareSettings(source="synthetic", output=Path("out"), **settings)
    return well_formed(rows, preparation, bad or BadRows("fail", 0))


@pytest.mark.parametrize("column", ["user_id", "item_id"])
@pytest.mark.parametrize("blank", [None, "", " \t"])
def test_a_missing_id_is_named(column, blank):
    with pytest.raises(DataError, match=f"file, line 3: no {column}"):
        check(block(**{column: ["a", blank, "c"]}))


def test_a_column_is_called_as_the_file_calls_it():
    names = {"user_id": "who", "rating": "stars", "timestamp": "when", "split": "fold"}
    for column, values, message in (
        ("user_id", ["a", None], "line 3: no who"),
        ("rating", [float("inf")], "line 2: stars is inf, no number"),
        ("timestamp", [10**15], "line 2: when is 1000000000000000 seconds"),
        ("split", ["hold"], "line 2: fold is 'hold', must be"),
    ):
        rows = dataclasses.replace(block(**{column: values}), fields=names)
        with pytest.raises(DataError, match=message):
            check(rows)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_rating_that_is_no_number_is_named(bad):
    with pytest.raises(DataError, match=r"file, line 4: rating is .*, no number"):
        check(block(rating=[3.0, None, bad]))
    assert len(check(block(rating=[3.0, None, -9.5])).table) == 3


def test_a_unit_that_fits_is_named():
    assert len(check(block(timestamp=[1_500_000_000, -1, None])).table) == 3
    units = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    for given, right in itertools.combinations(units, 2):
        seconds = 1_500_000_000 * units[right] // units[given]
        with pytest.raises(DataError, match=f"line 3: timestamp is .*--time_unit={right}"):
            check(block(timestamp=[None, seconds]), time_unit=given)


def test_split_names_and_their_other_forms():
    names = ["Train", "valid", "VALIDATION", "dev ", "val", "test", None, "other"]
    codes = split_codes(pa.chunked_array([pa.array(names, pa.large_string())]))
    assert codes.type == pa.int8()
    assert codes.to_pylist() == [0, 1, 1, 1, 1, 2, None, None]


@pytest.mark.parametrize("bad", [None, "", "trains", "holdout"])
def test_an_unknown_split_is_named(bad):
    with pytest.raises(DataError, match=r"file, line 3: split is .*, must be one of train, valid"):
        check(block(split=["train", bad]), split="predefined")
    assert len(check(block(split=["train", bad]), split="ratio").table) == 2
    assert len(check(block(split=[None, None])).table) == 2


def test_bad_rows_are_left_out_once_and_counted():
    bad = BadRows("skip", 1)
    left = check(
        block(user_id=["a", None, "c", "d"], rating=[float("nan"), 9.0, 3.0, float("inf")]), bad
    )
    assert left.table["user_id"].to_pylist() == ["c"]
    assert left.where(0) == "file, line 4"
    assert bad.counts == {"bad row: no user_id": 1, "bad row: rating out of range": 2}
