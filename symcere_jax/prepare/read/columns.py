"""Typed columns from the values of a raw file; a value that does not fit names its row."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.prepare.read.bad_rows import RowError
from symcere_jax.prepare.read.raw import shorten

Where = Callable[[int], str]

# Seconds of today are about 1.7e9; milliseconds below that lie in January 1970.
_FEW_MILLISECONDS = 10**10


def as_array(values: Sequence[Any], field: str, where: Where) -> pa.Array:
    """An Arrow array of Python values, with the type that they have.

    Args:
        values: strings, numbers and None. A mix of strings and numbers becomes strings.
        field: name of the column, for messages.
        where: row -> its file and line, for messages.

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
            raise RowError(
                f"{where(row)}: {field} is {shorten(value)}, expected a string or a number",
                f"type of {field}",
            )
        elif value is not None:
            value = str(value)
        strings.append(value)
    return pa.array(strings, pa.string())


def to_strings(array: pa.Array, field: str, where: Where) -> pa.Array:
    """A column of ids, texts or split names; whole numbers become strings.

    Args:
        array: strings or whole numbers, also as a dictionary.
        field: name of the column, for messages.
        where: row -> its file and line, for messages.

    Returns:
        `large_string`, of the same length.

    Raises:
        RowError: the values are of another type.
    """
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not (_is_string(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        row = _first_valid(array)
        raise RowError(
            f"{where(row)}: {field} is {shorten(array[row].as_py())}, "
            "expected a string or a whole number",
            f"type of {field}",
        )
    return array.cast(kind).cast(pa.large_string())


def to_numbers(array: pa.Array, field: str, where: Where) -> pa.Array:
    """A column of ratings; empty strings become null.

    Args:
        array: numbers, or strings of numbers.
        field: name of the column, for messages.
        where: row -> its file and line, for messages.

    Returns:
        float64, of the same length.

    Raises:
        RowError: a value is no number.
    """
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
    raise RowError(
        f"{where(row)}: {field} is {shorten(array[row].as_py())}, expected a number",
        f"type of {field}",
    )


def to_seconds(array: pa.Array, field: str, where: Where, *, unit: str = "s") -> pa.Array:
    """A column of Unix seconds, int64, fractions cut off; dates of a Parquet file count as UTC.

    Args:
        array: numbers, strings of numbers, or dates.
        field: name of the column, for messages.
        where: row -> its file and line, for messages.
        unit: "s" or "ms", unit of the numbers.

    Raises:
        RowError: a value is no time, or milliseconds are so few that they must be seconds.
    """
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return array.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    if not pa.types.is_integer(kind):
        array = _whole(array, field, where)
    try:
        array = array.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond 64 bits
        array = _whole(array, field, where)
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
    """A column of Unix seconds from texts such as "2018-07-07 22:09:11", taken as UTC.

    Args:
        array: ISO 8601 dates or times without an offset; empty ones become null.
        field: name of the column, for messages.
        where: row -> its file and line, for messages.

    Returns:
        int64, of the same length.

    Raises:
        RowError: a value is no such time.
    """
    texts = to_strings(array, field, where)
    texts = pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)
    try:
        return texts.cast(pa.timestamp("s")).cast(pa.int64())
    except pa.ArrowInvalid:
        # Alone, each row says whether it is the one.
        row = next(row for row in range(len(texts)) if not _is_time(texts[row : row + 1]))
        raise RowError(
            f"{where(row)}: {field} is {shorten(texts[row].as_py())}, "
            "expected a time such as 2018-07-07 22:09:11",
            f"type of {field}",
        ) from None


def _whole(array: pa.Array, field: str, where: Where) -> pa.Array:
    """Whole 64-bit numbers, from numbers and texts of numbers."""
    try:
        numbers = to_numbers(array, field, where)
    except RowError as error:
        raise RowError(f"{error} of seconds since 1970 (Unix time)", error.reason) from None
    fits = pc.less(pc.abs(numbers), 2.0**62).fill_null(True)
    row = pc.index(fits, False).as_py()
    if row >= 0:
        raise RowError(
            f"{where(row)}: {field} is {numbers[row].as_py()}, "
            "expected a finite number of seconds since 1970 (Unix time)",
            f"type of {field}",
        )
    return pc.floor(numbers).cast(pa.int64())


def _is_time(text: pa.Array) -> bool:
    try:
        text.cast(pa.timestamp("s"))
    except pa.ArrowInvalid:
        return False
    return True


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
