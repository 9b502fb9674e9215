"""File formats of review tables: JSON lines, CSV, TSV and Parquet.

A reader yields the rows block by block, so that memory holds only one block, and knows the line of
each row.
"""

import functools
from collections.abc import Callable, Collection
from pathlib import Path

from symcere_jax.preparation.read.formats.delimited import read_delimited
from symcere_jax.preparation.read.formats.json_lines import read_json_lines
from symcere_jax.preparation.read.formats.parquet import read_parquet
from symcere_jax.preparation.read.raw_files import bare_name
from symcere_jax.preparation.read.rows import Blocks, ReadingLog
from symcere_jax.preparation.settings import DialectSettings

_UNKNOWN = DialectSettings()

# Takes the path of a file, the wanted fields, and what collects malformed rows.
Reader = Callable[[Path, Collection[str], ReadingLog], Blocks]

# Suffix -> what separates fields, where neither the user nor the header says so.
_DELIMITED = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t", ".inter": "\t"}
_OTHERS: dict[str, Reader] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json_lines,
    ".parquet": read_parquet,
    ".pq": read_parquet,
}
FORMATS = (*_OTHERS, *_DELIMITED)


def reader_of(path: Path, dialect: DialectSettings = _UNKNOWN) -> Reader | None:
    """The reader for the suffix of a file, before that of how it is packed; None: it is unknown."""
    suffix = bare_name(path).suffix.lower()
    if suffix in _DELIMITED:
        return functools.partial(read_delimited, dialect=dialect, delimiter=_DELIMITED[suffix])
    return _OTHERS.get(suffix)
