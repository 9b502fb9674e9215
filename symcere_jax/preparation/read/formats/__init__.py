"""The kinds of files that tables of reviews come in: JSON lines, CSV, TSV and Parquet.

A reader yields the rows block by block, so that memory holds one block only, and knows the line of
each row.
"""

import functools
from collections.abc import Callable, Collection
from pathlib import Path

from symcere_jax.preparation.read.bad_rows import BadRows
from symcere_jax.preparation.read.formats.block import Block, Blocks, salvage
from symcere_jax.preparation.read.formats.delimited import read_delimited
from symcere_jax.preparation.read.formats.json_lines import read_json_lines
from symcere_jax.preparation.read.formats.parquet import read_frame, read_parquet

__all__ = [
    "FORMATS",
    "Block",
    "Blocks",
    "Reader",
    "read_frame",
    "read_json_lines",
    "reader_of",
    "salvage",
]


# Takes the path of a file, the wanted fields, and what collects malformed rows.
Reader = Callable[[Path, Collection[str], BadRows], Blocks]

FORMATS: dict[str, Reader] = {
    ".jsonl": read_json_lines,
    ".json": read_json_lines,
    ".csv": functools.partial(read_delimited, delimiter=","),
    ".tsv": functools.partial(read_delimited, delimiter="\t"),
    ".parquet": read_parquet,
}


def reader_of(path: Path) -> Reader | None:
    """The reader for the suffix of a file, before an optional `.gz`; None: it is no table."""
    return FORMATS.get(Path(path.name.removesuffix(".gz")).suffix)
