"""Typed columns from the values of a raw file; a value that does not fit names its row."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data_prep.sources.raw import shorten
from symcere_jax.errors import DataError

Where = Callable[[int], str]


def as_array(values: Sequence[Any], field: str, where: Where) -> pa.Array:
    """An Arrow array of Python values, with the type that they have.

    Args:
        values: strings, numbers and None. A mix of strings and numbers becomes strings.
        field: name of the column, for messages.
        where: row -> its file and line, for messages.

    Raises:
        DataError: a value is a list, an object or a truth value among others.
    """
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, OverflowError):
        pass
    strings: list[str | None] = []
    for row, value in enumerate(values):
        if isinstance(value, str):
            # JSON can escape half a surrogate pair, which no UTF-8 can hold.
            value = value.encode(errors="replace").decode()
        elif isinstance(value, bool) or not isinstance(value, int | float | None):
            raise DataError(
                f"{where(row)}: {field} is {shorten(value)}, expected a string or a number"
            )
        elif value is not None:
            value = str(value)
        strings.append(value)
    return pa.array(strings, pa.string())


def to_strings(array: pa.Array, field: str, where: Where) -> pa.Array:
    """A column of ids, texts or split names, `large_string`; whole numbers become strings."""
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not (_is_string(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        row = _first_valid(array)
        raise DataError(
            f"{where(row)}: {field} is {shorten(array[row].as_py())}, "
            "expected a string or a whole number"
        )
    return array.cast(kind).cast(pa.large_string())


def to_numbers(array: pa.Array, field: str, where: Where) -> pa.Array:
    """A column of ratings, float64; empty strings become null."""
    kind = array.type
    if _is_string(kind):
        array = pc.utf8_trim_whitespace(array)
        array = pc.if_else(pc.equal(array, ""), None, array)
        try:
            return array.cast(pa.float64())
        except pa.ArrowInvalid:
            row = next(row for row, value in enumerate(array.to_pylist()) if not _is_number(value))
    elif pa.types.is_integer(kind) or pa.types.is_null(kind):
        return array.cast(pa.float64(), safe=False)
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return array.cast(pa.float64())
    else:
        row = _first_valid(array)
    raise DataError(f"{where(row)}: {field} is {shorten(array[row].as_py())}, expected a number")


def to_seconds(array: pa.Array, field: str, where: Where) -> pa.Array:
    """A column of Unix seconds, int64, fractions cut off; dates of a Parquet file count as UTC."""
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64())
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return array.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    try:
        numbers = to_numbers(array, field, where)
    except DataError as error:
        raise DataError(f"{error} of seconds since 1970 (Unix time)") from None
    fits = pc.less(pc.abs(numbers), 2.0**62).fill_null(True)
    if not pc.all(fits, min_count=0).as_py():
        row = pc.index(fits, False).as_py()
        raise DataError(
            f"{where(row)}: {field} is {numbers[row].as_py()}, "
            "expected a finite number of seconds since 1970 (Unix time)"
        )
    return pc.floor(numbers).cast(pa.int64())


def _is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(value: str | None) -> bool:
    try:
        pa.scalar(value, pa.string()).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _first_valid(array: pa.Array) -> int:
    return pc.index(array.is_valid(), True).as_py()
