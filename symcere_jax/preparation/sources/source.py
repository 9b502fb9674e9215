"""What a kind of raw data is."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from symcere_jax.errors import ConfigError
from symcere_jax.preparation.read.rows import RawBlocks, ReadingLog
from symcere_jax.preparation.settings import PrepareSettings

# item_id, title, categories: what is known of the items themselves.
ITEM_SCHEMA = pa.schema(
    {"item_id": pa.large_string(), "title": pa.large_string(), "categories": pa.large_string()}
)
_FILTERS = ("item_metadata", "title_field", "city", "state", "category")


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of raw data.

    Attributes:
        name: value of --source.
        read: yields the rows, block by block; takes the settings, and what collects malformed rows.
        obtain: where the files are published, and on which terms, for messages.
        filters: which of the settings item_metadata, title_field, city, state and category it uses.
        items: yields tables of `ITEM_SCHEMA`; None where nothing is known of items.
        item_file: the file that `items` reads, None where there is none.
        options: settings of the reader, for the manifest.
    """

    name: str
    read: Callable[[PrepareSettings, ReadingLog], RawBlocks]
    obtain: str = ""
    filters: tuple[str, ...] = ()
    items: Callable[[PrepareSettings, ReadingLog], Iterator[pa.Table]] | None = None
    item_file: Callable[[PrepareSettings], Path | None] = lambda settings: None
    options: Callable[[PrepareSettings], Mapping[str, Any]] = lambda settings: {}

    def check_filters(self, settings: PrepareSettings) -> None:
        """Refuses filters that the source does not use.

        Raises:
            ConfigError: one is given.
        """
        for name in _FILTERS:
            if getattr(settings, name) is not None and name not in self.filters:
                raise ConfigError(f"--{name} is given, but --source={self.name} has no use for it")
