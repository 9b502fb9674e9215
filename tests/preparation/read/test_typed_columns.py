import datetime
import decimal
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from symcere_jax.preparation.read.rows import Block, RowError
from symcere_jax.preparation.read.typed_columns import (
    as_array,
    naming,
    to_numbers,
    to_seconds,
    to_strings,
)


def strings(values):
    return to_strings(as_array(values)).to_pylist()


def numbers(values):
    return to_numbers(as_array(values)).to_pylist()


def seconds(values):
    return to_seconds(as_array(values)).to_pylist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", None, ""], ["a", None, ""]),
        ([5, None, -1], ["5", None, "-1"]),
        (["a", 5], ["a", "5"]),
        ([2**70, 1], [str(2**70), "1"]),
        ([None, None], [None, None]),
        (["half a pair \ud83d", "ü"], ["half a pair ?", "ü"]),
        ([3.0, float("nan"), None], ["3", None, None]),
        (["a", 3.0, float("nan"), 1.5], ["a", "3", None, "1.5"]),
        ([2**53 + 1, float("nan")], [str(2**53 + 1), None]),
        (
            ["nan", "None", "NaT", "NULL", "<NA>", "None of it", "Nan"],
            [*[None] * 5, "None of it", "Nan"],
        ),
        ([], []),
    ],
)
def test_strings(values, expected):
    assert strings(values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5, 4.5, None], [5.0, 4.5, None]),
        (["5", " 4.5 ", "", None, "1e0", "NaN", "NA"], [5.0, 4.5, None, None, 1.0, None, None]),
        ([4.5, float("nan")], [4.5, None]),
        (["5", 4], [5.0, 4.0]),
        (["4,5", "-0,25", "5"], [4.5, -0.25, 5.0]),
        ([decimal.Decimal("4.25")], [4.25]),
        ([2**60 + 1], [float(2**60)]),
        ([None], [None]),
    ],
)
def test_numbers(values, expected):
    assert numbers(values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1_500_000_000, None], [1_500_000_000, None]),
        ([1.9, -1.1, float("nan")], [1, -2, None]),
        (["17", "", "17.5"], [17, None, 17]),
        (["2.1.1970", "02.1.1970", "2.01.1970 00:00:01"], [86400, 86400, 86401]),
        ([datetime.datetime(1970, 1, 2, 0, 0, 1)], [86401]),
        ([datetime.date(1970, 1, 2)], [86400]),
        ([None], [None]),
    ],
)
def test_seconds(values, expected):
    assert seconds(values) == expected


MISFITS = [
    (strings, [None, True], 1),
    (strings, [1.5], 0),
    (strings, [1.0, 2.0**53], 1),
    (strings, [decimal.Decimal("1.5")], 0),
    (strings, [b"a", b"\xff"], 1),
    (strings, ["a", ["b"]], 1),
    (strings, [{"a": 1}], 0),
    (strings, ["a", True], 1),
    (numbers, ["5", "inf", "five"], 2),
    (numbers, ["1,000"], 0),
    (numbers, ["4,5,6"], 0),
    (numbers, [None, True], 1),
    (numbers, [[1]], 0),
    (numbers, [4.5, True], 1),
    (seconds, [0, float("inf")], 1),
    (seconds, [1e300], 0),
    (seconds, ["1", "2019-13-01"], 1),
    (seconds, ["1", "inf"], 1),
    (seconds, ["1970-01-02", "May 1"], 1),
    (seconds, ["01/02/2019"], 0),
    (seconds, ["13.13.2019"], 0),
    (seconds, ["2019-01-01 25:00"], 0),
    (seconds, ["2019-01-01", "9999-12-31"], 1),
    (to_seconds, pa.array([0, -(2**63)]), 1),
    (to_seconds, pa.array([0, 10**12], pa.timestamp("s")), 1),
]


@pytest.mark.parametrize(("convert", "values", "row"), MISFITS)
def test_what_does_not_fit_is_named(convert, values, row):
    block = Block({}, np.arange(10, 20), ("f",), "file, line")
    message = f"file, line {row + 10}: f is .*, expected (a|UTF-8)"
    with pytest.raises(RowError, match=message), naming(block, "f"):
        convert(values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.dictionary(pa.int32(), pa.string()), ["b", "a", None]),
        (pa.string_view(), ["b", "a", None]),
        (pa.binary(), ["b", "ü", None]),
        (pa.large_binary(), ["b", "ü", None]),
        (pa.binary(1), ["b", "a", None]),
        (pa.decimal128(38, 0), ["3", "12", None]),
        (pa.decimal128(38, 10), ["3", "12", None]),
        (pa.float32(), ["3", "12", None]),
        (pa.uint64(), ["3", str(2**64 - 1), None]),
    ],
)
def test_types_of_arrow(kind, values):
    if pa.types.is_dictionary(kind):
        array = pa.array(values).dictionary_encode()
    elif pa.types.is_decimal(kind):
        array = pa.array([value and decimal.Decimal(value) for value in values], kind)
    elif "int" in str(kind) or "float" in str(kind):
        array = pa.array([value and int(value) for value in values], kind)
    else:
        array = pa.array([value and value.encode() for value in values], pa.binary()).cast(kind)
    assert to_strings(array).to_pylist() == values
    if values[0] == "3":
        assert to_numbers(array).to_pylist()[0] == 3


def test_numbers_and_times_of_a_dictionary():
    array = pa.array(["4", "5", None]).dictionary_encode()
    assert to_numbers(array).to_pylist() == [4, 5, None]
    array = pa.array(["1970-01-02", None]).dictionary_encode()
    assert to_seconds(array).to_pylist() == [86400, None]


def test_uuids():
    value = uuid.uuid4()
    array = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([value.bytes], pa.binary(16)))
    assert to_strings(array).to_pylist() == [str(value)]


MOMENTS = st.datetimes(
    datetime.datetime(1900, 1, 1), datetime.datetime(5138, 1, 1), timezones=st.timezones()
)


@given(MOMENTS, st.sampled_from(["T", " "]), st.sampled_from(["auto", "seconds", "milliseconds"]))
def test_iso_times_with_offset(moment, between, precision):
    offset = moment.utcoffset()
    assume(offset.total_seconds() % 60 == 0)
    text = moment.isoformat(between, precision)
    if between == " ":
        text = text.replace("+00:00", " UTC")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert seconds([text]) == [(moment - epoch) // datetime.timedelta(seconds=1)]


def test_iso_times_without_offset_are_utc():
    texts = ["1970-01-02 00:00:01", "1970-01-02T00:00", "1970-01-02", "1970-01-02T00:00:01.9Z"]
    texts += ["1970-01-01 19:00:01.5-05", "", "NaT", "7", None]
    assert seconds(texts) == [86401, 86400, 86400, 86401, 86401, None, None, 7, None]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_numbers_of_any_unit_become_seconds(unit):
    moments = [1_500_000_000, 10**8, -(10**8), 4 * 10**9, None]
    values = [moment and moment * unit for moment in moments]
    assert seconds(values) == seconds([value and str(value) for value in values]) == moments
    assert seconds([1_500_000_000 * unit, "1970-01-02"]) == [1_500_000_000, 86400]
