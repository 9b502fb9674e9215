"""From the fields of JSON lines to the columns of `RAW_SCHEMA`, shared by several sources."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.errors import DataError
from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.columns import Where, to_strings
from symcere_jax.prepare.read.formats import Block, read_json_lines, salvage
from symcere_jax.prepare.read.raw import RAW_SCHEMA, RawBlock

Convert = Callable[[Block], Mapping[str, pa.Array]]
Typed = Callable[[pa.Array, str, Where], pa.Array]
_BETWEEN = pa.scalar(". ", pa.large_string())

Keep = Callable[[Block], tuple[np.ndarray, str]]


def read_json_reviews(
    path: Path,
    wanted: Collection[str],
    required: Collection[str],
    convert: Convert,
    bad: BadRows,
    keep: Keep | None = None,
    names: Mapping[str, str] | None = None,
) -> Iterator[RawBlock]:
    """Reads reviews of a file of JSON lines.

    Args:
        path: the file.
        wanted: fields to read.
        required: those of them without which a file is of another kind.
        convert: block -> columns of `RAW_SCHEMA`; those that it leaves out are null.
        bad: takes malformed rows.
        keep: block -> mask of rows to keep, and why the others are left out.
        names: column of `RAW_SCHEMA` -> its field in the file, where that is another name.

    Raises:
        DataError: the file is missing, damaged, of another kind, or has no rows.
    """
    n_rows = 0
    with contextlib.closing(read_json_lines(path, wanted, bad)) as blocks:
        for block in blocks:
            if not n_rows:
                check_fields(block, required, path)
            n_rows += len(block)
            pieces = salvage(
                len(block),
                lambda start, stop, block=block: _convert(  # type: ignore[misc]
                    block.slice(start, stop), convert, keep, path, names or {}
                ),
                bad,
            )
            yield from pieces
    if not n_rows and not bad.counts:
        raise DataError(f"{path} has no rows")


def check_fields(block: Block, required: Collection[str], path: Path) -> None:
    """Refuses a file whose first rows lack a required field.

    Raises:
        DataError: that is so.
    """
    missing = [name for name in required if name not in block.fields]
    if missing:
        raise DataError(
            f"{path} has no field {missing[0]!r}; it has: {', '.join(block.fields)}; "
            "is it a file of another --source?"
        )


def column(block: Block, name: str) -> pa.Array:
    """A field as a large_string column.

    Raises:
        RowError: a value is neither a string nor a whole number.
    """
    return typed(block, name, to_strings)


def typed(block: Block, name: str, convert: Typed) -> pa.Array:
    """A field as a typed column, by a function of `read.columns`; null where no row has the field.

    Raises:
        RowError: a value is of another type.
    """
    values = block.columns[name] if name in block.columns else pa.nulls(len(block))
    return convert(values, name, block.where)


def titled(title: pa.Array, text: pa.Array) -> pa.Array:
    """Titles and texts joined by ". ", large_string `[n_rows]`; null where both are missing."""
    title, text = (pc.if_else(pc.equal(part, ""), None, part) for part in (title, text))
    # Told to skip nulls, Arrow would leave out rows that have neither.
    return pc.coalesce(pc.binary_join_element_wise(title, text, _BETWEEN), title, text)


def as_block(
    columns: Mapping[str, pa.Array],
    block: Block,
    file: Path,
    dropped: Mapping[str, int],
    names: Mapping[str, str],
) -> RawBlock:
    """A `RawBlock` of some columns of `RAW_SCHEMA`; the others are null.

    Args:
        columns: column -> its values, `[n_rows]`.
        block: the rows that they were made of.
        file: the raw file.
        dropped: reason -> rows that the reader leaves out.
        names: column -> its field in the file, where that is another name.
    """
    n_rows = len(block)
    arrays = [
        columns[name].cast(kind) if name in columns else pa.nulls(n_rows, kind)
        for name, kind in zip(RAW_SCHEMA.names, RAW_SCHEMA.types, strict=True)
    ]
    table = pa.table(arrays, schema=RAW_SCHEMA)
    return RawBlock(table, block.lines, block.label, file, dropped, names)


def _convert(
    block: Block, convert: Convert, keep: Keep | None, path: Path, names: Mapping[str, str]
) -> RawBlock:
    if keep is None:
        return as_block(convert(block), block, path, {}, names)
    mask, reason = keep(block)
    n_dropped = int(len(mask) - mask.sum())
    raw = as_block(convert(block), block, path, {reason: n_dropped} if n_dropped else {}, names)
    return raw.filter(mask) if n_dropped else raw
