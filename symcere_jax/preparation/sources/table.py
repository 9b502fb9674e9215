"""Tables of reviews: JSON lines, CSV, TSV or Parquet, and data frames.

A table is one file or several; the names of files and folders may say what split or what column
their rows belong to.
"""

import dataclasses
import functools
import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.formats import FORMATS, Reader, read_delimited, reader_of
from symcere_jax.preparation.read.formats.parquet import read_frame
from symcere_jax.preparation.read.raw_files import bare_name, is_hidden, matches
from symcere_jax.preparation.read.row_checks import SPLIT_NAMES
from symcere_jax.preparation.read.rows import Blocks, RawRows, ReadingLog
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import DATA_FRAME, Source, read_typed_rows

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
    "rating": "--rating_field= (empty) leaves ratings out",
    "timestamp": "--time_field= (empty) leaves times out",
}
_PART = re.compile(r"-\d+-of-\d+$")  # of many files of one split
_NULL = "__HIVE_DEFAULT_PARTITION__"
_LOOSE = (".txt",)  # in a folder, such a file is as often no table


def _read(settings: PrepareSettings, log: ReadingLog) -> RawRows:
    files = _files(settings, log)
    for path, read in files:
        yield from _rows(path, read, settings, log, may_be_empty=len(files) > 1)


def frame_source(frame: pa.Table, frames: str | None = None) -> Source:
    """The source "table", which reads a table in memory; `frames` is the kind it was made of."""

    def read(settings: PrepareSettings, log: ReadingLog) -> RawRows:
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
) -> RawRows:
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
    other = ", or prepare without text, with --text_encoder=none" if column == "text" else ""
    return f"name the right one with --{_FLAGS[column]}{other}"


def _files(settings: PrepareSettings, log: ReadingLog) -> list[tuple[Path, Reader]]:
    """The files of a table, each with its reader, in the order in which they are read.

    A folder named `key=value` gives the rows below it that column, and files or folders of several
    splits, such as train.csv and test.csv, give them a split, unless they have such columns.
    """
    found: list[tuple[Path, Reader, PurePosixPath]] = []
    for path in _named(settings.path):
        if path.is_dir():
            found += _in_folder(path, settings, log)
        else:
            reader = reader_of(path, settings)
            if reader is None and settings.delimiter:
                reader = functools.partial(read_delimited, dialect=settings, delimiter=",")
            if reader is None:
                raise _no_table(path, "its name must end")
            found.append((path, reader, PurePosixPath(path.name)))
    splits = _splits([place for _, _, place in found])
    split_field = "split" if settings.split_field is None else settings.split_field
    files = []
    for (path, read, place), split in zip(found, splits, strict=True):
        columns = dict(part.split("=", 1) for part in place.parts[:-1] if "=" in part)
        values = {name: None if text == _NULL else unquote(text) for name, text in columns.items()}
        if split:
            values.setdefault(split_field, split)
        files.append((path, functools.partial(_read_with, read, values) if values else read))
    return files


def _named(named: Path) -> list[Path]:
    if os.path.exists(named):  # noqa: PTH110  (Path.exists fails for long lists of files)
        return [named]
    paths: dict[Path, None] = {}
    for part in filter(None, map(str.strip, str(named).split(","))):
        found = matches(Path(part))
        if not found:
            raise DataError(f"no input at {part}")
        paths |= dict.fromkeys(found)
    return list(paths)


def _in_folder(
    folder: Path, settings: PrepareSettings, log: ReadingLog
) -> list[tuple[Path, Reader, PurePosixPath]]:
    places = {path: PurePosixPath(path.relative_to(folder)) for path in sorted(folder.rglob("*"))}
    files = [path for path, place in places.items() if path.is_file() and not is_hidden(place)]
    readers = {path: reader for path in files if (reader := reader_of(path, settings))}
    sure = {path for path in readers if bare_name(path).suffix.lower() not in _LOOSE}
    readers = {path: reader for path, reader in readers.items() if path in sure or not sure}
    if not readers:
        raise _no_table(folder, "no file name in it ends")
    if len(readers) > 1:
        readers = {path: reader for path, reader in readers.items() if path.stat().st_size}
    others = [str(places[path]) for path in files if path not in readers]
    if others:
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        log.notes.append(f"{folder}: {len(others)} files are not tables and are not read ({shown})")
    return [(path, reader, places[path]) for path, reader in readers.items()]


def _no_table(path: Path, what: str) -> DataError:
    return DataError(
        f"{path}: {what} in one of {', '.join(FORMATS)} (compressed or not); to read other "
        "files as text tables, set --delimiter"
    )


def _splits(places: list[PurePosixPath]) -> list[str | None]:
    """The split of each file, by its name or that of a folder; all None where there are not two."""
    splits = [_split_of(place) for place in places]
    codes = {SPLIT_NAMES[split] for split in splits if split}
    if len(codes) < 2 or SPLIT_NAMES["train"] not in codes:
        return [None] * len(places)
    if None in splits:
        known = next(place for place, split in zip(places, splits, strict=True) if split)
        raise DataError(
            f"{known} is one of several splits, but {places[splits.index(None)]} is not; name the "
            "files to read, such as --input=train.csv,test.csv"
        )
    return splits


def _split_of(place: PurePosixPath) -> str | None:
    name = _PART.sub("", bare_name(Path(place.name)).stem.lower()).rpartition(".")[2]
    for part in (name, *(part.lower() for part in place.parts[:-1])):
        if part in SPLIT_NAMES:
            return part
    return None


def _read_with(
    read: Reader,
    values: Mapping[str, str | None],
    path: Path,
    wanted: Collection[str],
    log: ReadingLog,
) -> Blocks:
    """Adds columns of one value each to those of a file."""
    for block in read(path, wanted, log):
        new = {name: value for name, value in values.items() if name not in block.fields}
        columns = {
            name: pa.array([value] * len(block), pa.large_string())
            for name, value in new.items()
            if name in wanted
        }
        yield dataclasses.replace(
            block, columns=block.columns | columns, fields=(*block.fields, *new)
        )


SOURCE = Source(
    "table",
    _read,
    filters=("item_metadata", "title_field"),
    options=lambda settings: {"fields": _fields(settings)},
)
