"""Titles and categories of items, from a file of JSON lines or another table."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows, RowError
from symcere_jax.preparation.read.formats import Block, Reader, salvage
from symcere_jax.preparation.read.formats.json_lines import parse_line
from symcere_jax.preparation.read.raw import open_raw, shorten
from symcere_jax.preparation.read.typed_columns import MISSING, to_strings
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
        if type(item) is int or (isinstance(item, float) and item.is_integer()):
            item = str(int(item))
        if not isinstance(item, str) or item in ("", *MISSING):
            bad.add(RowError(f"{where}: {item_field} is {shorten(item)}", f"type of {item_field}"))
            continue
        n_items += 1
        title, categories = row.get(title_field), row.get("categories")
        if isinstance(categories, list):
            categories = " > ".join(str(category) for category in categories)
        rows.append(
            {
                "item_id": item,
                "title": _text(title),
                "categories": _text(categories),
            }
        )
        if len(rows) == _BLOCK_ROWS:
            yield pa.Table.from_pylist(rows, ITEM_SCHEMA)
            rows = []
    if not n_items:
        raise DataError(f"{path} has no items")
    yield pa.Table.from_pylist(rows, ITEM_SCHEMA)


def read_item_table(
    path: Path, read: Reader, item_field: str, title_field: str, bad: BadRows
) -> Iterator[pa.Table]:
    """Reads the same of a table in another format.

    Raises:
        DataError: the file is missing, damaged, has no item ids, or neither titles nor categories.
    """
    fields = {"item_id": item_field, "title": title_field, "categories": "categories"}

    def build(block: Block) -> pa.Table:
        columns = {
            name: to_strings(_joined(block.columns[field]), field, block.where)
            if field in block.columns
            else pa.nulls(len(block))
            for name, field in fields.items()
        }
        table = pa.table(columns).cast(ITEM_SCHEMA)
        blank = pc.equal(pc.utf8_trim_whitespace(table["item_id"]), "").fill_null(True)
        for row in np.flatnonzero(blank).tolist():
            bad.add(RowError(f"{block.where(row)}: no {item_field}", f"no {item_field}"))
        return table.filter(pc.invert(blank))

    n_items = 0
    for block in read(path, list(fields.values()), bad):
        if item_field not in block.fields or not {title_field, "categories"} & set(block.fields):
            raise DataError(
                f"{path} needs a field {item_field!r}, and {title_field!r} or 'categories'; it "
                f"has: {', '.join(block.fields)}; --item_field and --title_field name others"
            )
        for table in salvage(block, build, bad):
            n_items += len(table)
            yield table
    if not n_items:
        raise DataError(f"{path} has no items")


def _joined(values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pc.binary_join(values.cast(pa.list_(pa.string())), " > ")
    return values


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


def _text(value: object) -> str | None:
    text = str(value).encode(errors="replace").decode()
    return None if value is None or text in MISSING else text
