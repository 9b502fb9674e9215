import datetime
import decimal

import pyarrow as pa
import pytest

from symcere_jax.preparation.read.bad_rows import RowError
from symcere_jax.preparation.read.typed_columns import (
    as_array,
    iso_to_seconds,
    to_numbers,
    to_seconds,
    to_strings,
)


def where(row: int) -> str:
    return f"file, line {row + 10}"


def strings(values):
    return to_strings(as_array(values, "f", where), "f", where).to_pylist()


def numbers(values):
    return to_numbers(as_array(values, "f", where), "f", where).to_pylist()


def seconds(values):
    return to_seconds(as_array(values, "f", where), "f", where).to_pylist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", None, ""], ["a", None, ""]),
        ([5, None, -1], ["5", None, "-1"]),
        (["a", 5], ["a", "5"]),
        ([2**70, 1], [str(2**70), "1"]),
        ([None, None], [None, None]),
        (["half a pair \ud83d", "ü"], ["half a pair ?", "ü"]),
        ([], []),
    ],
)
def test_strings(values, expected):
    assert strings(values) == expected


@pytest.mark.parametrize(
    ("values", "row", "shown"),
    [
        ([None, True], 1, "True"),
        ([1.5], 0, "1.5"),
        (["a", ["b"]], 1, r"\['b'\]"),
        ([{"a": 1}], 0, "{'a': 1}"),
        (["a", True], 1, "True"),
    ],
)
def test_what_is_no_string_is_named(values, row, shown):
    with pytest.raises(RowError, match=f"file, line {row + 10}: f is {shown}, expected"):
        strings(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5, 4.5, None], [5.0, 4.5, None]),
        (["5", " 4.5 ", "", None, "1e0"], [5.0, 4.5, None, None, 1.0]),
        (["5", 4], [5.0, 4.0]),
        ([decimal.Decimal("4.25")], [4.25]),
        ([2**60 + 1], [float(2**60)]),
        ([None], [None]),
    ],
)
def test_numbers(values, expected):
    assert numbers(values) == expected


@pytest.mark.parametrize(
    ("values", "row"),
    [(["5", "nan", "five"], 2), (["4,5"], 0), ([None, True], 1), ([[1]], 0), ([4.5, True], 1)],
)
def test_what_is_no_number_is_named(values, row):
    with pytest.raises(RowError, match=f"file, line {row + 10}: f is .*, expected a"):
        numbers(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1_500_000_000, None], [1_500_000_000, None]),
        ([1.9, -1.1], [1, -2]),
        (["17", "", "17.5"], [17, None, 17]),
        ([2**60 + 1], [2**60 + 1]),
        ([datetime.datetime(1970, 1, 2, 0, 0, 1)], [86401]),
        ([datetime.date(1970, 1, 2)], [86400]),
        ([None], [None]),
    ],
)
def test_seconds(values, expected):
    assert seconds(values) == expected


@pytest.mark.parametrize(
    ("values", "row"),
    [([0, float("nan")], 1), ([1e300], 0), (["1", "2019-01-01"], 1), (["1", "inf"], 1)],
)
def test_what_is_no_time_is_named(values, row):
    with pytest.raises(RowError, match=f"file, line {row + 10}: f is .* since 1970"):
        seconds(values)


def test_dictionaries_of_parquet_are_strings():
    array = pa.array(["b", "a", "b", None]).dictionary_encode()
    assert to_strings(array, "f", where).to_pylist() == ["b", "a", "b", None]


def test_milliseconds_become_seconds():
    array = pa.array([1_500_000_000_999, None, -1_999])
    assert to_seconds(array, "f", where, unit="ms").to_pylist() == [1_500_000_000, None, -1]


def test_seconds_taken_for_milliseconds_are_named():
    array = pa.array([1_500_000_000_999, 1_500_000_000])
    with pytest.raises(RowError, match=r"line 11: f is 1500000000, .*--time_unit=s"):
        to_seconds(array, "f", where, unit="ms")


def test_iso_times():
    array = pa.array(["1970-01-02 00:00:01", "1970-01-02T00:00:02", "1970-01-02", "", None])
    assert iso_to_seconds(array, "f", where).to_pylist() == [86401, 86402, 86400, None, None]
    with pytest.raises(RowError, match="line 11: f is 'May 1'"):
        iso_to_seconds(pa.array(["1970-01-02", "May 1"]), "f", where)
