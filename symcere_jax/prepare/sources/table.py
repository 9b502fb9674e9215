"""Tables of reviews: JSON lines, CSV, TSV or Parquet, one file or a folder of them."""

import contextlib
import functools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from symcere_jax.errors import DataError
from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.columns import to_numbers, to_seconds, to_strings
from symcere_jax.prepare.read.formats import FORMATS, Block, Reader, reader_of, salvage
from symcere_jax.prepare.read.raw import RawBlock
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources.json_fields import as_block
from symcere_jax.prepare.sources.source import Source

# column of RAW_SCHEMA -> the flag that names its field
_FLAGS = {
    "user_id": "user_field",
    "item_id": "item_field",
    "rating": "rating_field",
    "timestamp": "time_field",
    "text": "text_field",
    "split": "split_field",
}


def _read(settings: PrepareSettings, bad: BadRows) -> Iterator[RawBlock]:
    """Reads the table, or all tables of a folder in the order of their names."""
    assert settings.input is not None
    fields = _fields(settings)
    for path, read in _table_files(settings.input):
        present: dict[str, None] = {}
        n_rows, n_bad = 0, bad.counts.total()
        with contextlib.closing(read(path, fields.values(), bad)) as blocks:
            for block in blocks:
                # Ids first: who names them wrongly is not made to wait for the whole file.
                _check_present({"user_id", "item_id"}, fields, block.fields, path)
                present |= dict.fromkeys(block.fields)
                n_rows += len(block)
                build = functools.partial(_typed, block, fields, settings.time_unit, path)
                yield from salvage(len(block), build, bad)
        if not n_rows and bad.counts.total() == n_bad:
            raise DataError(f"{path} has no rows")
        if n_rows:
            _check_present(_required(settings), fields, present, path)


def _fields(settings: PrepareSettings) -> dict[str, str]:
    return {column: getattr(settings, flag) or column for column, flag in _FLAGS.items()}


def _table_files(path: Path) -> list[tuple[Path, Reader]]:
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    tables = [(file, reader) for file in files if (reader := reader_of(file))]
    if not tables and not path.exists():
        raise DataError(f"no input at {path}")
    if not tables:
        raise DataError(
            f"{path}: {'no file in it' if path.is_dir() else 'its name'} ends in one of "
            f"{', '.join(FORMATS)} (or one of them and .gz), which tells how to read it"
        )
    return tables


def _required(settings: PrepareSettings) -> set[str]:
    """Columns that must be there: needed for what was asked, or named by the user."""
    required = {column for column, flag in _FLAGS.items() if getattr(settings, flag)}
    if settings.text_encoder != "none":
        required.add("text")
    if settings.split == "predefined":
        required.add("split")
    return required


def _check_present(
    columns: Collection[str], fields: Mapping[str, str], present: Collection[str], path: Path
) -> None:
    for column, flag in _FLAGS.items():
        if column in columns and fields[column] not in present:
            hint = ", or prepare without text by --text_encoder=none" if column == "text" else ""
            raise DataError(
                f"{path} has no field {fields[column]!r}; it has: {', '.join(present)}; "
                f"name the right one by --{flag}{hint}"
            )


def _typed(
    block: Block, fields: Mapping[str, str], time_unit: str, path: Path, start: int, stop: int
) -> RawBlock:
    """Some rows of a block, with the columns of `RAW_SCHEMA` that it has."""
    block = block.slice(start, stop)
    columns: dict[str, pa.Array] = {}
    for column, field in fields.items():
        if field not in block.columns:
            continue
        array = block.columns[field]
        if column == "rating":
            columns[column] = to_numbers(array, field, block.where)
        elif column == "timestamp":
            columns[column] = to_seconds(array, field, block.where, unit=time_unit)
        else:
            columns[column] = to_strings(array, field, block.where)
    return as_block(columns, block, path, {}, fields)


SOURCE = Source("table", _read, options=lambda settings: {"fields": _fields(settings)})
