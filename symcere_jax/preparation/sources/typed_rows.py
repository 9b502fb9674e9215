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
from symcere_jax.preparation.read.formats import read_json_lines
from symcere_jax.preparation.read.rows import (
    Block,
    Blocks,
    RawBlock,
    RawBlocks,
    ReadingLog,
    RowError,
    salvage,
)
from symcere_jax.preparation.read.typed_columns import (
    naming,
    to_numbers,
    to_seconds,
    to_strings,
)

Columns = dict[str, pa.Array]
Adapt = Callable[[Block, Columns], tuple[np.ndarray, str] | None]

DATA_FRAME = "the data frame"  # what messages call it
_BETWEEN = pa.scalar(". ", pa.large_string())


def read_typed_rows(
    path: Path | None,
    fields: Mapping[str, str],
    log: ReadingLog,
    *,
    read: Callable[..., Blocks] = read_json_lines,
    time_unit: str = "s",
    heading: str | None = None,
    adapt: Adapt | None = None,
    required: Collection[str] = ("user_id", "item_id", "rating", "timestamp"),
    hint: Callable[[str], str] = lambda column: "is it a file of another --source?",
    way_out: Mapping[str, str] = MappingProxyType({}),
    may_be_empty: bool = False,
) -> RawBlocks:
    """Reads the reviews of a file.

    Args:
        path: the file; None for a data frame.
        fields: column of `RAW_SCHEMA` -> its field in the file; null where no row has the field.
        log: takes malformed rows.
        read: reader of the format; that of a data frame ignores the path.
        time_unit: unit of times that are numbers; "iso" where none is.
        heading: field that is put before the text, joined by ". ".
        adapt: may change the columns of a block, and returns a mask of the rows to keep and why the
            others are left out, or None to keep all.
        required: columns that the file must have.
        hint: column -> what to do where its field is missing.
        way_out: column -> what to do where a value of it does not fit.
        may_be_empty: a file without rows, as one of several, is noted and not refused.

    Raises:
        DataError: the file is missing, damaged, of another kind, or has no rows.
    """
    label = path or DATA_FRAME
    wanted = [*fields.values(), heading] if heading else list(fields.values())
    convert: dict[str, Callable[[pa.Array], pa.Array]] = {
        "rating": to_numbers,
        "timestamp": functools.partial(to_seconds, unit=time_unit),
    }

    def check(columns: Collection[str], present: Collection[str]) -> None:
        for column, field in fields.items():
            if column in columns and field not in present:
                raise DataError(
                    f"{label} has no field {field!r}; it has: {', '.join(present)}; {hint(column)}"
                )

    def typed(block: Block, field: str, column: str) -> pa.Array:
        values = block.columns[field] if field in block.columns else pa.nulls(len(block))
        try:
            with naming(block, field):
                return convert.get(column, to_strings)(values)
        except RowError as error:
            if column not in way_out:
                raise
            raise RowError(f"{error}; {way_out[column]}", error.reason) from None

    def build(block: Block) -> RawBlock:
        columns = {column: typed(block, field, column) for column, field in fields.items()}
        if heading:
            columns["text"] = _joined(typed(block, heading, "text"), columns["text"])
        selected = adapt(block, columns) if adapt else None
        rows = RawBlock.of(columns, block.lines, block.label)
        rows = dataclasses.replace(rows, fields=fields)
        if selected is None:
            return rows
        kept, reason = selected
        log.dropped[reason] += int(len(kept) - kept.sum())
        return rows.filter(kept)

    if path is not None:
        log.files[path] = None
    n_bad = log.n_bad
    present: tuple[str, ...] | None = None
    with contextlib.closing(read(path, wanted, log)) as blocks:
        for block in blocks:
            # Ids first: who names them wrongly is not made to wait for the whole file.
            check({"user_id", "item_id"}, block.fields)
            present = block.fields
            for kind in ("user", "item"):
                ids = block.columns.get(fields[f"{kind}_id"])
                if ids is not None and not _is_integer(ids.type):
                    log.text_ids.add(kind)
            yield from salvage(block, build, log)
    if present is not None:
        check(required, present)
        for column, way in way_out.items():
            field = fields.get(column, "")
            near = difflib.get_close_matches(field, present, 1, cutoff=0.82)
            if near and near != [field]:
                raise DataError(
                    f"{label} has no field {field!r}, but {near[0]!r}; {hint(column)}, or {way}"
                )
        optional = [fields[name] for name in way_out if name in fields]
        missing = [repr(field) for field in optional if field not in present]
        unread = [repr(field) for field in present if field and field not in wanted]
        note = f"no field {' or '.join(missing)}; fields that are not read: {', '.join(unread)}"
        if missing and unread and note not in log.notes:
            log.notes.append(note)
    elif may_be_empty:
        log.notes.append(f"{label} has no rows")
    elif log.n_bad == n_bad:
        raise DataError(f"{label} has no rows")


def _is_integer(kind: pa.DataType) -> bool:
    """Whether ids are whole numbers; those of pandas with a missing value are floats."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)


def _joined(heading: pa.Array, text: pa.Array) -> pa.Array:
    """Headings and texts joined by ". ", large_string `[n]`; null where both are missing."""
    heading, text = (pc.if_else(pc.equal(part, ""), None, part) for part in (heading, text))
    # Told to skip nulls, Arrow would leave out rows that have neither.
    return pc.coalesce(pc.binary_join_element_wise(heading, text, _BETWEEN), heading, text)
