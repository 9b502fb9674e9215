"""The kinds of files that tables of reviews come in: JSON lines, CSV, TSV and Parquet.

A reader yields the rows block by block, so that memory holds one block only, and knows the line of
each row.
"""

import dataclasses
from collections.abc import Callable, Collection
from pathlib import Path

from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.formats.block import Block, Blocks, salvage
from symcere_jax.prepare.read.formats.delimited import read_delimited
from symcere_jax.prepare.read.formats.json_lines import read_json_lines
from symcere_jax.prepare.read.formats.parquet import read_parquet

__all__ = ["FORMATS", "Block", "Blocks", "Format", "format_of", "read_json_lines", "salvage"]


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        read: yields the blocks of a file; takes its path, the wanted fields, and what takes rows
            that are malformed.
    """

    read: Callable[[Path, Collection[str], BadRows], Blocks]


FORMATS = {
    ".jsonl": Format(read_json_lines),
    ".json": Format(read_json_lines),
    ".csv": Format(lambda path, wanted, bad: read_delimited(path, wanted, bad, ",")),
    ".tsv": Format(lambda path, wanted, bad: read_delimited(path, wanted, bad, "\t")),
    ".parquet": Format(read_parquet),
}


def format_of(path: Path) -> Format | None:
    """The format that a file's name ends in, before an optional `.gz`; None: not a table."""
    return FORMATS.get(Path(path.name.removesuffix(".gz")).suffix)
