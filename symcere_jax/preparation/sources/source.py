"""Kinds of raw data, and how the fields of their files become the columns of `RAW_SCHEMA`."""

import contextlib
import dataclasses
import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.read.formats import read_json_lines, reader_of
from symcere_jax.preparation.read.row_checks import is_blank
from symcere_jax.preparation.read.rows import (
    Block,
    Blocks,
    RawRows,
    ReadingLog,
    RowError,
    raw_rows,
    salvage,
)
from symcere_jax.preparation.read.typed_columns import (
    as_array,
    naming,
    to_numbers,
    to_seconds,
    to_strings,
)
from symcere_jax.preparation.settings import PrepareSettings

Columns = dict[str, pa.Array]
Convert = Callable[[pa.Array], pa.Array]
Adapt = Callable[[Block, Columns], tuple[np.ndarray, str] | None]

# What is known of the items themselves.
ITEM_SCHEMA = pa.schema(
    {"item_id": pa.large_string(), "title": pa.large_string(), "categories": pa.large_string()}
)
DATA_FRAME = "the data frame"  # what messages call it
_FILTERS = ("item_metadata", "title_field", "city", "state", "category")
_BETWEEN = pa.scalar(". ", pa.large_string())


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of raw data."""

    name: str  # value of --source
    read: Callable[[PrepareSettings, ReadingLog], RawRows]  # the log collects malformed rows
    obtain: str = ""  # where the files are published, and on which terms, for messages
    filters: tuple[str, ...] = ()  # which of `_FILTERS` it uses
    item_fields: tuple[str, str] | None = (
        None  # of ids and titles in the file of items; or settings
    )
    item_file: Callable[[PrepareSettings], Path | None] = lambda settings: settings.item_metadata
    options: Callable[[PrepareSettings], Mapping[str, Any]] = (
        lambda settings: {}
    )  # for the manifest

    def check_filters(self, settings: PrepareSettings) -> None:
        """Raises a `ConfigError` for a filter that the source does not use."""
        for name in _FILTERS:
            if getattr(settings, name) is not None and name not in self.filters:
                raise ConfigError(f"--{name} is given, but --source={self.name} does not use it")


def read_typed_rows(
    path: Path | None,
    fields: Mapping[str, str],
    log: ReadingLog,
    *,
    read: Callable[..., Blocks] = read_json_lines,
    heading: str | None = None,
    adapt: Adapt | None = None,
    required: Collection[str] = ("user_id", "item_id", "rating", "timestamp"),
    hint: Callable[[str], str] = lambda column: "is it a file of another --source?",
    way_out: Mapping[str, str] = MappingProxyType({}),
    may_be_empty: bool = False,
) -> RawRows:
    """Reads the reviews of a file.

    Args:
        path: the file; None for a data frame.
        fields: column of `RAW_SCHEMA` -> its field in the file; null where no row has the field.
        log: takes malformed rows.
        read: reader of the format; that of a data frame ignores the path.
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
    convert: dict[str, Convert] = {"rating": to_numbers, "timestamp": to_seconds}

    def check(columns: Collection[str], present: Collection[str]) -> None:
        for column, field in fields.items():
            if column in columns and field not in present:
                raise DataError(
                    f"{label} has no field {field!r}; it has: {', '.join(present)}; {hint(column)}"
                )

    def build(block: Block) -> pa.Table:
        columns = {
            column: _typed(block, field, convert.get(column, to_strings), way_out.get(column, ""))
            for column, field in fields.items()
        }
        if heading:
            columns["text"] = _joined(_typed(block, heading), columns["text"])
        selected = adapt(block, columns) if adapt else None
        rows = raw_rows(columns, block.lines, block.label)
        if selected is None:
            return rows
        kept, reason = selected
        log.dropped[reason] += int(len(kept) - kept.sum())
        return rows.filter(pa.array(kept))

    log.fields = fields
    if path is not None:
        log.files[path] = None
    n_bad = log.n_bad
    present: tuple[str, ...] | None = None
    with contextlib.closing(read(path, wanted, log)) as blocks:
        for block in blocks:
            # Ids first: a wrong name of theirs shows before the whole file is read.
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


def _typed(block: Block, field: str, convert: Convert = to_strings, way_out: str = "") -> pa.Array:
    """The values of a field, converted; null where the block does not have it."""
    with naming(block, field, way_out):
        return convert(block.columns.get(field, pa.nulls(len(block))))


def json_lines_of(fields: Mapping[str, str], **options: Any) -> Callable[..., RawRows]:
    """Reads the file of the settings as JSON lines; `options` are those of `read_typed_rows`."""
    return lambda settings, log: read_typed_rows(settings.path, fields, log, **options)


def _is_integer(kind: pa.DataType) -> bool:
    """Whether ids are whole numbers; those of pandas with a missing value are floats."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)


def _joined(heading: pa.Array, text: pa.Array) -> pa.Array:
    """Headings and texts joined by ". ", large_string `[n]`; null where both are missing."""
    heading, text = (pc.if_else(pc.equal(part, ""), None, part) for part in (heading, text))
    # Told to skip nulls, Arrow would leave out rows that have neither.
    return pc.coalesce(pc.binary_join_element_wise(heading, text, _BETWEEN), heading, text)


def read_items(
    path: Path, source: Source, settings: PrepareSettings, log: ReadingLog
) -> Iterator[pa.Table]:
    """Reads tables of `ITEM_SCHEMA`; a list of categories becomes one string, joined by " > ".

    Raises:
        DataError: the file is missing, damaged, has no item ids, or neither titles nor categories.
    """
    own = (settings.item_field, settings.title_field or "title")
    item_field, title_field = source.item_fields or own
    fields = {"item_id": item_field, "title": title_field, "categories": "categories"}

    def build(block: Block) -> pa.Table:
        columns = {name: _typed(block, field, _to_paths) for name, field in fields.items()}
        table = pa.table(columns).cast(ITEM_SCHEMA)
        row = pc.index(is_blank(table["item_id"]), True).as_py()
        if row >= 0:
            raise RowError(f"{block.where(row)}: no {item_field}", f"no {item_field}")
        return table

    n_items = 0
    read = reader_of(path, settings) or read_json_lines
    for block in read(path, list(fields.values()), log):
        if item_field not in block.fields or not {title_field, "categories"} & set(block.fields):
            raise DataError(
                f"{path} needs a field {item_field!r}, and {title_field!r} or 'categories'; it "
                f"has: {', '.join(block.fields)}; set --item_field and --title_field"
            )
        for table in salvage(block, build, log):
            n_items += len(table)
            yield table
    if not n_items:
        raise DataError(f"{path} has no items")


def _to_paths(values: pa.Array) -> pa.Array:
    if pa.types.is_nested(values.type):
        values = as_array([_path_of(value) for value in values.to_pylist()])
    return to_strings(values)


def _path_of(value: Any) -> Any:
    return " > ".join(str(_path_of(part)) for part in value) if isinstance(value, list) else value
