"""Titles and categories of items, from a file of JSON lines."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows, RowError
from symcere_jax.preparation.read.formats.json_lines import parse_line
from symcere_jax.preparation.read.raw import open_raw, shorten
from symcere_jax.preparation.sources.source import ITEM_SCHEMA

_BLOCK_ROWS = 1 << 14


def read_items(path: Path, item_field: str, title_field: str, bad: BadRows) -> Iterator[pa.Table]:
    """Reads tables of `ITEM_SCHEMA`; a list of categories becomes one string, joined by " > ".

    Raises:
        DataError: the file is missing, damaged, or no row has an item id.
    """
    rows: list[dict[str, str | None]] = []
    n_items = 0
    for where, row in objects(path, bad):
        item = row.get(item_field)
        if not isinstance(item, str) or not item:
            bad.add(RowError(f"{where}: {item_field} is {shorten(item)}", f"type of {item_field}"))
            continue
        n_items += 1
        title, categories = row.get(title_field), row.get("categories")
        if isinstance(categories, list):
            categories = " > ".join(str(category) for category in categories)
        rows.append(
            {
                "item_id": item,
                "title": None if title is None else _text(title),
                "categories": None if categories is None else _text(categories),
            }
        )
        if len(rows) == _BLOCK_ROWS:
            yield pa.Table.from_pylist(rows, ITEM_SCHEMA)
            rows = []
    if not n_items:
        raise DataError(f"{path} has no items")
    yield pa.Table.from_pylist(rows, ITEM_SCHEMA)


def objects(path: Path, bad: BadRows) -> Iterator[tuple[str, dict]]:
    """Yields each object of a file of JSON lines, and where it stands."""
    with open_raw(path) as stream:
        for number, line in enumerate(stream, start=1):
            if line.isspace():
                continue
            where = f"{path}, line {number}"
            try:
                row = parse_line(line.removeprefix(b"\xef\xbb\xbf"), where)
            except RowError as error:
                bad.add(error)
            else:
                yield where, row


def _text(value: object) -> str:
    return str(value).encode(errors="replace").decode()
