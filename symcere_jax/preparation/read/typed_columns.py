"""Typed columns from the values of a raw file; an error names the row of a value that does not fit.

All functions take the name of the field and `where`, which gives the file and line of a row, for
messages, and return an array of the same length.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.preparation.read.bad_rows import RowError
from symcere_jax.preparation.read.raw import shorten

Where = Callable[[int], str]

# Seconds of today are about 1.7e9; milliseconds below that lie in January 1970.
_FEW_MILLISECONDS = 10**10
_UNIX_TIME = "a finite number of seconds since 1970 (Unix time)"


def as_array(values: Sequence[Any], field: str, where: Where) -> pa.Array:
    """An Arrow array of Python values, with the type that they have.

    A mix of strings and numbers becomes strings.

    Raises:
        RowError: a value is a list, an object or a truth value among others.
    """
    with contextlib.suppress(pa.ArrowException, ValueError, OverflowError):
        array = pa.array(values)
        # Arrow takes True for 1 where other values are fractions.
        is_mixed = pa.types.is_floating(array.type) and bool in set(map(type, values))
        if not (pa.types.is_nested(array.type) or is_mixed):
            return array
    strings: list[str | None] = []
    for row, value in enumerate(values):
        if isinstance(value, str):
            # JSON can escape half a surrogate pair, which no UTF-8 can hold.
            value = value.encode(errors="replace").decode()
        elif isinstance(value, bool) or not isinstance(value, int | float | None):
            raise _error(value, field, where(row), "a string or a number")
        elif value is not None:
            value = str(value)
        strings.append(value)
    return pa.array(strings, pa.string())


def to_strings(array: pa.Array, field: str, where: Where) -> pa.Array:
    """A large_string column of ids, texts or split names; whole numbers become strings.

    Raises:
        RowError: the values are of another type.
    """
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not (_is_string(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise _type_error(array, field, where, "a string or a whole number")
    return array.cast(kind).cast(pa.large_string())


def to_numbers(
    array: pa.Array, field: str, where: Where, *, expected: str = "a number"
) -> pa.Array:
    """A float64 column from numbers or strings of numbers; empty strings become null.

    Raises:
        RowError: a value is no number.
    """
    kind = array.type
    if _is_string(kind):
        return _cast(_without_blanks(array), pa.float64(), field, where, expected)
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    if not any(is_kind(kind) for is_kind in numeric):
        raise _type_error(array, field, where, expected)
    return array.cast(pa.float64(), safe=False)


def to_seconds(array: pa.Array, field: str, where: Where, *, unit: str = "s") -> pa.Array:
    """An int64 column of Unix seconds; fractions are cut off, dates of a Parquet file are UTC.

    Numbers, and strings of numbers, are of `unit`, "s" or "ms".

    Raises:
        RowError: a value is no time, or milliseconds are so few that they must be seconds.
    """
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return array.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    if not (pa.types.is_integer(kind) and kind != pa.uint64()):
        array = _floor(array, field, where)
    array = array.cast(pa.int64())
    if unit == "s":
        return array
    few = pc.and_(pc.greater(array, _FEW_MILLISECONDS // 1000), pc.less(array, _FEW_MILLISECONDS))
    row = pc.index(few, True).as_py()
    if row >= 0:
        raise RowError(
            f"{where(row)}: {field} is {array[row]}, which as milliseconds lies in early 1970; are "
            "these seconds? --time_unit=s reads a table so",
            "time out of range",
        )
    return pc.divide(array, 1000)


def iso_to_seconds(array: pa.Array, field: str, where: Where) -> pa.Array:
    """An int64 column of Unix seconds from ISO 8601 dates or times without offset, taken as UTC.

    Raises:
        RowError: a value is no such time; empty ones become null.
    """
    texts = _without_blanks(to_strings(array, field, where))
    expected = "a time such as 2018-07-07 22:09:11"
    return _cast(texts, pa.timestamp("s"), field, where, expected).cast(pa.int64())


def _floor(array: pa.Array, field: str, where: Where) -> pa.Array:
    """Whole 64-bit numbers, from numbers and texts of numbers."""
    numbers = to_numbers(array, field, where, expected=_UNIX_TIME)
    row = pc.index(pc.less(pc.abs(numbers), 2.0**62).fill_null(True), False).as_py()
    if row >= 0:
        raise _error(numbers[row].as_py(), field, where(row), _UNIX_TIME)
    return pc.floor(numbers)


def _cast(array: pa.Array, kind: pa.DataType, field: str, where: Where, expected: str) -> pa.Array:
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        row = 0
        with contextlib.suppress(pa.ArrowInvalid):  # ends at the first value that does not fit
            for row in range(len(array)):
                array[row : row + 1].cast(kind)
        raise _error(array[row].as_py(), field, where(row), expected) from None


def _without_blanks(texts: pa.Array) -> pa.Array:
    """Texts without white space around them, null where nothing else is in them."""
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _type_error(array: pa.Array, field: str, where: Where, expected: str) -> RowError:
    row = pc.index(array.is_valid(), True).as_py()
    return _error(array[row].as_py(), field, where(row), expected)


def _error(value: object, field: str, where: str, expected: str) -> RowError:
    return RowError(
        f"{where}: {field} is {shorten(value)}, expected {expected}", f"type of {field}"
    )
