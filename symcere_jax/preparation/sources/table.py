"""Tables of reviews: JSON lines, CSV, TSV or Parquet, one file or a folder of them; data frames."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from symcere_jax.preparation.read.formats.parquet import read_frame
from symcere_jax.preparation.read.rows import Blocks, RawBlocks, ReadingLog
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import DATA_FRAME, Source, read_typed_rows
from symcere_jax.preparation.sources.table_files import table_files

# column of RAW_SCHEMA -> the flag that names its field
_FLAGS = {
    "user_id": "user_field",
    "item_id": "item_field",
    "rating": "rating_field",
    "timestamp": "time_field",
    "text": "text_field",
    "split": "split_field",
    "title": "title_field",
}

_WAYS_OUT = {
    "rating": "--rating_field= (with nothing behind it) leaves ratings out",
    "timestamp": "--time_field= (with nothing behind it) leaves times out",
}


def _read(settings: PrepareSettings, log: ReadingLog) -> RawBlocks:
    files = table_files(settings, log)
    for path, read in files:
        yield from _rows(path, read, settings, log, may_be_empty=len(files) > 1)


def frame_source(frame: pa.Table, frames: str | None = None) -> Source:
    """The source "table", which reads a table in memory; `frames` is the kind it was made of."""

    def read(settings: PrepareSettings, log: ReadingLog) -> RawBlocks:
        return _rows(
            None, lambda _, wanted, log: read_frame(frame, DATA_FRAME, wanted), settings, log
        )

    def options(settings: PrepareSettings) -> dict[str, Any]:
        return {"fields": _fields(settings), "frames": frames}

    return dataclasses.replace(SOURCE, read=read, options=options)


def _rows(
    path: Path | None,
    read: Callable[..., Blocks],
    settings: PrepareSettings,
    log: ReadingLog,
    *,
    may_be_empty: bool = False,
) -> RawBlocks:
    return read_typed_rows(
        path,
        _fields(settings),
        log,
        read=read,
        required=_required(settings),
        hint=_hint,
        way_out=_WAYS_OUT,
        may_be_empty=may_be_empty,
    )


def _fields(settings: PrepareSettings) -> dict[str, str]:
    named = {column: getattr(settings, flag) for column, flag in _FLAGS.items()}
    if settings.item_metadata is not None or not settings.title_field:
        del named["title"]
    return {column: name or column for column, name in named.items() if name != ""}


def _required(settings: PrepareSettings) -> set[str]:
    """Columns that must be there: needed for what was asked, or named by the user."""
    required = {column for column, flag in _FLAGS.items() if getattr(settings, flag)}
    if settings.text_encoder != "none":
        required.add("text")
    if settings.split == "predefined":
        required.add("split")
    return required


def _hint(column: str) -> str:
    other = ", or prepare without text by --text_encoder=none" if column == "text" else ""
    return f"name the right one by --{_FLAGS[column]}{other}"


SOURCE = Source(
    "table",
    _read,
    filters=("item_metadata", "title_field"),
    options=lambda settings: {"fields": _fields(settings)},
)
