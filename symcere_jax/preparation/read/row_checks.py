"""Checks of the raw values of a block of rows; what is wrong is named, or skipped and counted."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.data.schema import EXTRA, SPLITS
from symcere_jax.preparation.read.bad_rows import BadRows, RowError
from symcere_jax.preparation.read.raw import RawBlock, shorten
from symcere_jax.preparation.read.typed_columns import PER_SECOND, other_unit
from symcere_jax.preparation.settings import PrepareSettings

SPLIT_NAMES = {name: SPLITS.index(name) for name in SPLITS}
SPLIT_NAMES |= dict.fromkeys(("validation", "dev", "val", "eval"), SPLITS.index("valid"))
SPLIT_NAMES[EXTRA] = len(SPLITS)

# Seconds of this size lie in the year 5138, milliseconds of it in 1973.
_LARGEST_SECOND = 10**11

_Problem = tuple[np.ndarray, str, Callable[[int], str]]


def well_formed(block: RawBlock, settings: PrepareSettings, bad: BadRows) -> RawBlock:
    """The rows of a block that are well-formed; `bad` takes the others.

    Raises:
        RowError: a row is malformed, and that is not to be skipped.
    """
    is_bad = np.zeros(len(block.table), bool)
    for mask, reason, describe in _problems(block, settings):
        for row in np.flatnonzero(mask & ~is_bad).tolist():
            bad.add(RowError(f"{block.where(row)}: {describe(row)}", reason))
        is_bad |= mask
    return block.filter(~is_bad) if is_bad.any() else block


def split_codes(names: pa.ChunkedArray) -> pa.Array:
    """int8 index into `SPLITS` of each split name, null where there is none, or no known one.

    That of `EXTRA` is the number of `SPLITS`.
    """
    known = pa.array(list(SPLIT_NAMES), pa.large_string())
    places = pc.index_in(_plain(names), value_set=known)
    codes = pa.chunked_array([pa.array(list(SPLIT_NAMES.values()), pa.int8())])
    return codes.take(places).combine_chunks()


def _plain(names: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_lower(pc.utf8_trim_whitespace(names))


def _problems(block: RawBlock, settings: PrepareSettings) -> Iterator[_Problem]:
    table = block.table
    for column in ("user_id", "item_id"):
        blank = pc.equal(pc.utf8_trim_whitespace(table[column]), "").fill_null(True)
        text = f"no {block.field(column)}; --on_bad_row=skip leaves such rows out"
        yield blank.to_numpy(), f"no {column}", lambda row, text=text: text  # type: ignore[misc]
    rating = table["rating"]
    yield (
        pc.invert(pc.is_finite(rating)).fill_null(False).to_numpy(),
        "rating out of range",
        lambda row: f"{block.field('rating')} is {rating[row].as_py():g}, no number",
    )
    time = table["timestamp"]
    far = pc.or_(pc.greater(time, _LARGEST_SECOND), pc.less(time, -_LARGEST_SECOND))
    yield (
        far.fill_null(False).to_numpy(),
        "time out of range",
        lambda row: (
            f"{block.field('timestamp')} is {time[row]} seconds, which lie beyond the year 5000"
            + other_unit(time[row].as_py() * PER_SECOND[settings.time_unit])
        ),
    )
    if settings.split in (None, "predefined"):
        yield _split_problem(block, required=settings.split == "predefined")


def _split_problem(block: RawBlock, *, required: bool) -> _Problem:
    names = block.table["split"]
    known = pc.is_in(_plain(names), value_set=pa.array(list(SPLIT_NAMES), pa.large_string()))
    wrong = pc.invert(known)
    if not required:
        wrong = pc.and_(wrong, names.is_valid())
    return (
        wrong.to_numpy(),
        "unknown split",
        lambda row: (
            f"{block.field('split')} is {shorten(names[row].as_py())}, must be one of "
            f"{', '.join(SPLIT_NAMES)}; --split=ratio ignores it and splits anew"
        ),
    )
