"""Checks of the raw values of a block of rows; errors are reported, or skipped and counted."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.data.schema import EXTRA, SPLITS
from symcere_jax.preparation.read.rows import ReadingLog, RowError, shorten, where
from symcere_jax.preparation.settings import PrepareSettings

SPLIT_NAMES = {name: SPLITS.index(name) for name in SPLITS}
SPLIT_NAMES |= dict.fromkeys(("validation", "dev", "val", "eval"), SPLITS.index("valid"))
SPLIT_NAMES[EXTRA] = len(SPLITS)

_KNOWN_SPLITS = pa.array(list(SPLIT_NAMES), pa.large_string())


def well_formed(rows: pa.Table, settings: PrepareSettings, log: ReadingLog) -> pa.Table:
    """The well-formed ones of some raw rows; `log` takes the others.

    Raises:
        RowError: a row is malformed, and that is not to be skipped.
    """
    is_bad = np.zeros(len(rows), bool)
    for mask, reason, describe in _problems(rows, settings, log.fields):
        for row in np.flatnonzero(mask.to_numpy() & ~is_bad).tolist():
            log.add(RowError(f"{where(rows, row)}: {describe(row)}", reason))
            is_bad[row] = True
    return rows.filter(pa.array(~is_bad)) if is_bad.any() else rows


def is_blank(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether texts are missing or white space."""
    return pc.equal(pc.utf8_trim_whitespace(texts), "").fill_null(True)


def split_codes(names: pa.ChunkedArray) -> pa.Array:
    """int8 index into `SPLITS` of each split name, null where there is none, or no known one.

    That of `EXTRA` is the number of `SPLITS`.
    """
    codes = pa.chunked_array([pa.array(list(SPLIT_NAMES.values()), pa.int8())])
    return codes.take(_places(names)).combine_chunks()


def _places(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """Places in `SPLIT_NAMES`; null for others."""
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(names))
    return pc.index_in(plain, value_set=_KNOWN_SPLITS)


def _problems(
    rows: pa.Table, settings: PrepareSettings, fields: Mapping[str, str]
) -> Iterator[tuple[pa.ChunkedArray, str, Callable[[int], str]]]:
    """Which rows are wrong, the reason for counts, and what to say of a row."""
    fields = {name: fields.get(name, name) for name in rows.column_names}
    for column in ("user_id", "item_id"):
        text = f"no {fields[column]}; --on_bad_row=skip leaves such rows out"
        yield is_blank(rows[column]), f"no {column}", lambda row, text=text: text  # type: ignore[misc]
    rating = rows["rating"]
    yield (
        pc.invert(pc.is_finite(rating)).fill_null(False),
        "rating out of range",
        lambda row: f"{fields['rating']} is {rating[row].as_py():g}, no number",
    )
    if settings.split in (None, "predefined"):
        names = rows["split"]
        wrong = _places(names).is_null()
        yield (
            wrong if settings.split else pc.and_(wrong, names.is_valid()),
            "unknown split",
            lambda row: (
                f"{fields['split']} is {shorten(names[row].as_py())}, must be one of "
                f"{', '.join(SPLIT_NAMES)}; --split=ratio ignores it and splits again"
            ),
        )
