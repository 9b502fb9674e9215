"""Tables of reviews: JSON lines, CSV, TSV or Parquet, one file or a folder of them."""

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.config import PrepareConfig
from data_prep.sources.columns import Where, to_numbers, to_seconds, to_strings
from data_prep.sources.formats import FORMATS, Block, Format, format_of
from data_prep.sources.raw import RAW_SCHEMA, Origin, RawReviews
from symcere_jax.errors import DataError

# column of RAW_SCHEMA -> the flag that names its field
_FLAGS = {
    "user_id": "user_field",
    "item_id": "item_field",
    "rating": "rating_field",
    "timestamp": "time_field",
    "text": "text_field",
    "split": "split_field",
}


def read(config: PrepareConfig) -> RawReviews:
    """Reads the table, or all tables of a folder in the order of their names.

    Args:
        config: its `input`, its fields, and whether text and split are needed.

    Raises:
        DataError: a file is missing, empty or malformed, lacks a field, or has no rows.
    """
    assert config.input is not None
    fields = {column: getattr(config, flag) or column for column, flag in _FLAGS.items()}
    chunks: list[pa.Table] = []
    lines: list[np.ndarray] = []
    files = _table_files(config.input)
    n_rows = np.zeros(len(files), np.int64)
    for number, (path, file_format) in enumerate(files):
        found: dict[str, None] = {}
        with contextlib.closing(file_format.read(path, fields.values())) as blocks:
            for block in blocks:
                # Ids first: who names them wrongly is not made to wait for the whole file.
                _check_found({"user_id", "item_id"}, fields, block.found, path)
                chunks.append(_typed(block, fields, f"{path}, {file_format.unit}"))
                lines.append(block.lines)
                found |= dict.fromkeys(block.found)
                n_rows[number] += len(block.lines)
        if not n_rows[number]:
            raise DataError(f"{path} has no rows")
        _check_found(_required(config), fields, found, path)
    origin = Origin(
        labels=tuple(f"{path}, {file_format.unit}" for path, file_format in files),
        file=np.repeat(np.arange(len(files), dtype=np.int32), n_rows),
        line=np.concatenate(lines),
    )
    return RawReviews(
        table=pa.concat_tables(chunks),
        origin=origin,
        n_read=int(n_rows.sum()),
        dropped={},
        options={"fields": fields},
        files=tuple(path for path, _ in files),
    )


def _table_files(path: Path) -> list[tuple[Path, Format]]:
    if path.is_dir():
        candidates = [(file, format_of(file)) for file in sorted(path.iterdir()) if file.is_file()]
    else:
        candidates = [(path, format_of(path))]
    tables = [(file, file_format) for file, file_format in candidates if file_format]
    if not tables and not path.exists():
        raise DataError(f"no input at {path}")
    if not tables:
        raise DataError(
            f"{path}: {'no file in it' if path.is_dir() else 'its name'} ends in one of "
            f"{', '.join(FORMATS)} (or one of them and .gz), which tells how to read it"
        )
    return tables


def _required(config: PrepareConfig) -> set[str]:
    """Columns that must be there: needed for what was asked, or named by the user."""
    required = {column for column, flag in _FLAGS.items() if getattr(config, flag)}
    if config.text_encoder != "none":
        required.add("text")
    if config.split == "predefined":
        required.add("split")
    return required


def _check_found(
    columns: Collection[str], fields: Mapping[str, str], found: Collection[str], path: Path
) -> None:
    for column, flag in _FLAGS.items():
        if column in columns and fields[column] not in found:
            hint = ", or prepare without text by --text_encoder=none" if column == "text" else ""
            raise DataError(
                f"{path} has no field {fields[column]!r}; it has: {', '.join(found)}; "
                f"name the right one by --{flag}{hint}"
            )


def _typed(block: Block, fields: Mapping[str, str], label: str) -> pa.Table:
    """A block as a table of `RAW_SCHEMA`; fields that it lacks are null."""

    def where(row: int) -> str:
        return f"{label} {block.lines[row]}"

    columns = [
        _convert(block.columns[fields[column]], column, fields[column], where)
        if fields[column] in block.columns
        else pa.nulls(len(block.lines), RAW_SCHEMA.field(column).type)
        for column in _FLAGS
    ]
    return pa.table(columns, names=list(_FLAGS)).select(RAW_SCHEMA.names)


def _convert(array: pa.Array, column: str, field: str, where: Where) -> pa.Array:
    if column == "rating":
        return to_numbers(array, field, where)
    if column == "timestamp":
        return to_seconds(array, field, where)
    return to_strings(array, field, where)
