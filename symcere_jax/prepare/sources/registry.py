"""What a kind of raw data is, and the list of all kinds."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.raw import RawBlock
from symcere_jax.prepare.settings import PrepareSettings

Read = Callable[[PrepareSettings, BadRows], Iterator[RawBlock]]

# item_id, title, categories: what is known of the items themselves.
ITEM_SCHEMA = pa.schema(
    {"item_id": pa.large_string(), "title": pa.large_string(), "categories": pa.large_string()}
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of raw data.

    Attributes:
        name: value of --source.
        read: yields the rows, block by block; takes the settings, and what takes malformed rows.
        obtain: where the files are had, and on which terms, as an error says it.
        may_download: whether the terms let a program fetch the files.
        settings: those of the settings `FILTERS` that it heeds.
        items: yields tables of `ITEM_SCHEMA`; None where nothing is known of items.
        item_file: the file that `items` reads, None where there is none.
        options: settings of the reader, for the manifest.
    """

    name: str
    read: Read
    obtain: str = ""
    may_download: bool = True
    settings: frozenset[str] = frozenset()
    items: Callable[[PrepareSettings, BadRows], Iterator[pa.Table]] | None = None
    item_file: Callable[[PrepareSettings], Path | None] = lambda config: None
    options: Callable[[PrepareSettings], Mapping[str, Any]] = lambda config: {}


FILTERS = ("item_metadata", "city", "state", "category")
SOURCES: dict[str, Source] = {}


def register(source: Source) -> None:
    """Adds a kind of raw data; each module of this folder calls it for its own."""
    SOURCES[source.name] = source
