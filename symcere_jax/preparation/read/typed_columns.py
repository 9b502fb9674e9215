"""Typed columns from the values of a raw file; a value that does not fit raises `MisfitError`."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.preparation.read.rows import Block, RowError, shorten

# How pandas, R, Excel and databases write a missing value as text.
MISSING = ("nan", "NaN", "None", "NaT", "NULL", "null", "<NA>", "NA", "#N/A", r"\N")
_MISSING = pa.array(["", *MISSING], pa.large_string())

# Seconds of this size lie in the year 5138, milliseconds of it in 1973.
_LARGEST_SECOND = 10**11
_TIME = "a time: a finite number of seconds since 1970, or as 2018-07-07 22:09:11 or 7.7.2018"
_DATE = r"^\d{4}-\d"
# What is replaced in ISO times: fractions of a second, names of UTC, blanks before an offset; and
# midnight is put between a date and an offset.
_ISO = (
    (r"(:\d\d)[.,]\d+", r"\1"),
    (r"\s*(?:[zZ]|UTC|GMT)$", ""),
    (r"\s*([+-]\d\d(?::?\d\d)?)$", r"\1"),
    (r"^(\d{4}-\d\d-\d\d)([+-]\d\d(?::?\d\d)?)$", r"\1T00:00\2"),
)
_OFFSET = r":\d\d[+-]"
# What is replaced in numbers and dates as much of Europe writes them: 4,5 and 11.2.2018.
_DECIMAL_COMMA = (r"^([+-]?\d+),(\d{1,2})$", r"\1.\2")
_DAY_FIRST = (
    (r"^(\d)\.(\d{1,2}\.\d{4})\b", r"0\1.\2"),
    (r"^(\d\d)\.(\d)\.(\d{4})\b", r"\1.0\2.\3"),
    (r"^(\d\d)\.(\d\d)\.(\d{4})\b", r"\3-\2-\1"),
)
# From here on, a float64 does not hold every whole number.
_INEXACT = 2.0**53


class MisfitError(Exception):
    """A value does not fit its column."""

    def __init__(self, row: int, value: object, expected: str) -> None:
        super().__init__(f"is {shorten(value)}, expected {expected}")
        self.row = row


@contextlib.contextmanager
def naming(block: Block, field: str, way_out: str = "") -> Iterator[None]:
    """Where a value does not fit, raises a `RowError` with row and field, and what to do."""
    try:
        yield
    except MisfitError as error:
        parts = (f"{block.where(error.row)}: {field} {error}", way_out)
        raise RowError("; ".join(filter(None, parts)), f"type of {field}") from None


def as_array(values: Sequence[Any]) -> pa.Array:
    """An Arrow array of Python values, with the type that they have; NaN is null.

    A mix of strings and numbers becomes strings.

    Raises:
        MisfitError: a value is a list, an object or a truth value among others.
    """
    values = [value if value == value else None for value in values]
    with contextlib.suppress(pa.ArrowException, ValueError, OverflowError):
        array = pa.array(values)
        # Arrow takes True for 1 where other values are fractions.
        is_mixed = pa.types.is_floating(array.type) and bool in set(map(type, values))
        if not is_mixed:
            return array
    strings: list[str | None] = []
    for row, value in enumerate(values):
        if isinstance(value, str):
            # JSON can escape half a surrogate pair, which no UTF-8 can hold.
            value = value.encode(errors="replace").decode()
        elif isinstance(value, bool) or not isinstance(value, int | float | None):
            raise MisfitError(row, value, "a string or a number")
        elif value is not None:
            is_whole = isinstance(value, float) and value.is_integer()
            value = str(int(value) if is_whole else value)
        strings.append(value)
    return pa.array(strings, pa.string())


def to_strings(array: pa.Array) -> pa.Array:
    """A large_string column of ids, texts or split names, from strings or whole numbers.

    Words that stand for a missing value (`MISSING`) become null.

    Raises:
        MisfitError: the values are of another type.
    """
    array = _plain(array)
    kind = array.type
    expected = "a string or a whole number"
    if pa.types.is_floating(kind):
        array = _nan_to_null(array.cast(pa.float64()))
        inexact = pc.greater_equal(pc.abs(array), _INEXACT)
        row = pc.index(inexact, True).as_py()
        if row >= 0:
            hint = f"{expected}; as a fraction it has lost digits"
            raise MisfitError(row, array[row].as_py(), hint)
        array = _cast(array, pa.int64(), expected)
    elif pa.types.is_decimal(kind):
        array = _cast(array, pa.decimal256(76, 0), expected)
    elif not (_is_string(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise _wrong_type(array, expected)
    strings = array.cast(pa.large_string())
    return _null_where(pc.is_in(strings, value_set=_MISSING[1:]), strings)


def to_numbers(array: pa.Array, *, expected: str = "a number") -> pa.Array:
    """A float64 column from numbers or strings of numbers; empty strings and NaN become null.

    Raises:
        MisfitError: a value is no number.
    """
    array = _plain(array)
    kind = array.type
    if _is_string(kind):
        texts = _replaced(_without_blanks(array), [_DECIMAL_COMMA])
        return _cast(texts, pa.float64(), expected)
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    if not any(is_kind(kind) for is_kind in numeric):
        raise _wrong_type(array, expected)
    return _nan_to_null(array.cast(pa.float64(), safe=False))


def to_seconds(array: pa.Array) -> pa.Array:
    """An int64 column of Unix seconds; fractions are cut off.

    Numbers, and strings of numbers, are seconds, milliseconds, microseconds or nanoseconds: by
    their size, as if none were before 1973 or after 5138. Strings may also be dates or times in
    ISO 8601. Times without an offset are UTC.

    Raises:
        MisfitError: a value is no time.
    """
    array = _plain(array)
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return _within_range(array, array.cast(pa.timestamp("s"), safe=False).cast(pa.int64()))
    given = array
    dates = None
    if _is_string(array.type):
        texts = _without_blanks(array)
        is_date = pc.match_substring_regex(texts, _DATE)
        if not pc.all(is_date, min_count=0).as_py():
            texts = _replaced(texts, _DAY_FIRST)
            is_date = pc.match_substring_regex(texts, _DATE)
        dates = _iso_to_seconds(_null_where(pc.invert(is_date), texts))
        array = _null_where(is_date, texts)
    if not (pa.types.is_integer(array.type) and array.type != pa.uint64()):
        array = _floor(array)
    numbers = array.cast(pa.int64())
    for _ in range(3):
        is_finer = pc.greater_equal(pc.abs(numbers), _LARGEST_SECOND)
        numbers = pc.if_else(is_finer, pc.divide(numbers, 1000), numbers)
    return _within_range(given, numbers if dates is None else pc.coalesce(dates, numbers))


def _within_range(given: pa.Array, seconds: pa.Array) -> pa.Array:
    far = pc.or_(pc.greater(seconds, _LARGEST_SECOND), pc.less(seconds, -_LARGEST_SECOND))
    row = pc.index(far, True).as_py()
    if row >= 0:
        value = given[row : row + 1].cast(pa.string())[0].as_py()  # Python ends in the year 9999
        raise MisfitError(row, value, "a time before the year 5138")
    return seconds


def _iso_to_seconds(texts: pa.Array) -> pa.Array:
    texts = _replaced(texts, _ISO)
    has_offset = pc.match_substring_regex(texts, _OFFSET)
    local = _cast(_null_where(has_offset, texts), pa.timestamp("s"), _TIME)
    zoned = _cast(_null_where(pc.invert(has_offset), texts), pa.timestamp("s", "UTC"), _TIME)
    return pc.coalesce(local.cast(pa.int64()), zoned.cast(pa.int64()))


def _floor(array: pa.Array) -> pa.Array:
    """Whole 64-bit numbers, from numbers and texts of numbers."""
    numbers = to_numbers(array, expected=_TIME)
    row = pc.index(pc.less(pc.abs(numbers), 2.0**62).fill_null(True), False).as_py()
    if row >= 0:
        raise MisfitError(row, numbers[row].as_py(), _TIME)
    return pc.floor(numbers)


def _plain(array: pa.Array) -> pa.Array:
    """The values themselves, of categories and of other ways to store them; bytes are texts."""
    if isinstance(array, pa.ExtensionArray):
        is_uuid = array.type.extension_name == "arrow.uuid"
        ids = (value and str(value) for value in array.to_pylist()) if is_uuid else ()
        array = pa.array(ids, pa.string()) if is_uuid else array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = str(array.type)
    if kind.startswith(("binary", "large_binary", "fixed_size_binary")):
        return _cast(array.cast(pa.binary()), pa.string(), "UTF-8")
    return array.cast(pa.large_string()) if kind == "string_view" else array


def _cast(array: pa.Array, kind: pa.DataType, expected: str) -> pa.Array:
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        row = 0
        with contextlib.suppress(pa.ArrowInvalid):  # ends at the first value that does not fit
            for row in range(len(array)):
                array[row : row + 1].cast(kind)
        raise MisfitError(row, array[row].as_py(), expected) from None


def _nan_to_null(numbers: pa.Array) -> pa.Array:
    return _null_where(pc.is_nan(numbers), numbers)


def _without_blanks(texts: pa.Array) -> pa.Array:
    """Texts without white space around them, null where nothing is in them."""
    texts = pc.utf8_trim_whitespace(texts.cast(pa.large_string()))
    return _null_where(pc.is_in(texts, value_set=_MISSING), texts)


def _replaced(texts: pa.Array, patterns: Iterable[tuple[str, str]]) -> pa.Array:
    for pattern, replacement in patterns:
        texts = pc.replace_substring_regex(texts, pattern, replacement)
    return texts


def _null_where(mask: pa.Array, array: pa.Array) -> pa.Array:
    # Arrow 18 has broken offsets in what if_else makes of strings that are part of an array.
    return pc.replace_with_mask(array, mask, pa.scalar(None, array.type))


def _is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _wrong_type(array: pa.Array, expected: str) -> MisfitError:
    row = pc.index(array.is_valid(), True).as_py()
    return MisfitError(row, array[row].as_py(), expected)
