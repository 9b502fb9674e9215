"""From the fields of a file to the columns of `RAW_SCHEMA`, shared by several sources."""

import contextlib
import dataclasses
import difflib
import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows, RowError
from symcere_jax.preparation.read.formats import Block, Blocks, read_json_lines, salvage
from symcere_jax.preparation.read.raw import RawBlock, RawBlocks, raw_table
from symcere_jax.preparation.read.typed_columns import Where, to_numbers, to_seconds, to_strings

Columns = dict[str, pa.Array]
Convert = Callable[[pa.Array, str, Where], pa.Array]
Adapt = Callable[[Block, Columns], tuple[np.ndarray, str] | None]

DATA_FRAME = "the data frame"  # what messages call it
_BETWEEN = pa.scalar(". ", pa.large_string())


def read_typed_rows(
    path: Path | None,
    fields: Mapping[str, str],
    bad: BadRows,
    *,
    read: Callable[..., Blocks] = read_json_lines,
    time_unit: str = "s",
    title: str | None = None,
    adapt: Adapt | None = None,
    required: Collection[str] = ("user_id", "item_id", "rating", "timestamp"),
    hint: Callable[[str], str] = lambda column: "is it a file of another --source?",
    way_out: Mapping[str, str] = MappingProxyType({}),
    may_be_empty: bool = False,
) -> RawBlocks:
    """Reads the reviews of a file.

    Args:
        path: the file; None for a data frame.
        fields: column of `RAW_SCHEMA`, or "title" for that of the item -> its field in the file;
            null where no row has the field.
        bad: takes malformed rows.
        read: reader of the format; that of a data frame ignores the path.
        time_unit: unit of times that are numbers; "iso" where none is.
        title: field that is put before the text, joined by ". ".
        adapt: may change the columns of a block, and returns a mask of the rows to keep and why the
            others are left out, or None to keep all.
        required: columns that the file must have.
        hint: column -> what to do where its field is missing.
        way_out: column -> what to do where a value of it is none.
        may_be_empty: a file without rows, as one of several, is noted and not refused.

    Raises:
        DataError: the file is missing, damaged, of another kind, or has no rows.
    """
    label = path or DATA_FRAME
    wanted = [*fields.values(), title] if title else list(fields.values())

    def check(columns: Collection[str], present: Collection[str]) -> None:
        for column, field in fields.items():
            if column in columns and field not in present:
                raise DataError(
                    f"{label} has no field {field!r}; it has: {', '.join(present)}; {hint(column)}"
                )

    convert: dict[str, Convert] = {
        "rating": to_numbers,
        "timestamp": functools.partial(to_seconds, unit=time_unit),
    }

    def build(block: Block) -> RawBlock:
        columns = {}
        for column, field in fields.items():
            try:
                columns[column] = _typed(block, field, convert.get(column, to_strings))
            except RowError as error:
                way = way_out.get(column)
                raise RowError(f"{error}; {way}", error.reason) if way else error from None
        if title:
            columns["text"] = _titled(_typed(block, title, to_strings), columns["text"])
        selected = adapt(block, columns) if adapt else None
        table = raw_table(columns, len(block))
        rows = RawBlock(table, block.lines, block.label, path, fields=fields)
        if "title" in fields:
            titles = pa.table({name: columns[name] for name in ("item_id", "title")})
            rows = dataclasses.replace(rows, titles=titles)
        if selected is None:
            return rows
        kept, reason = selected
        dropped = {reason: int(len(kept) - kept.sum())}
        return dataclasses.replace(rows.filter(kept), dropped=dropped)

    n_bad = bad.counts.total()
    present: tuple[str, ...] | None = None
    with contextlib.closing(read(path, wanted, bad)) as blocks:
        for block in blocks:
            # Ids first: who names them wrongly is not made to wait for the whole file.
            check({"user_id", "item_id"}, block.fields)
            present = block.fields
            for kind in ("user", "item"):
                ids = block.columns.get(fields[f"{kind}_id"])
                if ids is not None and not _is_integer(ids.type):
                    bad.text_ids.add(kind)
            yield from salvage(block, build, bad)
    if present is not None:
        check(required, present)
        for column, way in way_out.items():
            field = fields.get(column, "")
            near = difflib.get_close_matches(field, present, 1, cutoff=0.82)
            if near and near != [field]:
                raise DataError(
                    f"{label} has no field {field!r}, but {near[0]!r}; {hint(column)}, or {way}"
                )
    elif may_be_empty:
        bad.note(f"{label} has no rows")
    elif bad.counts.total() == n_bad:
        raise DataError(f"{label} has no rows")


def _is_integer(kind: pa.DataType) -> bool:
    """Whether ids are whole numbers; those of pandas with a missing value are floats."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)


def _typed(block: Block, field: str, convert: Convert) -> pa.Array:
    values = block.columns[field] if field in block.columns else pa.nulls(len(block))
    return convert(values, field, block.where)


def _titled(title: pa.Array, text: pa.Array) -> pa.Array:
    """Titles and texts joined by ". ", large_string `[n_rows]`; null where both are missing."""
    title, text = (pc.if_else(pc.equal(part, ""), None, part) for part in (title, text))
    # Told to skip nulls, Arrow would leave out rows that have neither.
    return pc.coalesce(pc.binary_join_element_wise(title, text, _BETWEEN), title, text)
