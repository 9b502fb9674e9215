"""Titles and categories of items, from a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.formats import Reader
from symcere_jax.preparation.read.rows import Block, ReadingLog, RowError, salvage
from symcere_jax.preparation.read.typed_columns import as_array, naming, to_strings
from symcere_jax.preparation.sources.source import ITEM_SCHEMA


def read_items(
    path: Path, read: Reader, item_field: str, title_field: str, log: ReadingLog
) -> Iterator[pa.Table]:
    """Reads tables of `ITEM_SCHEMA`; a list of categories becomes one string, joined by " > ".

    Raises:
        DataError: the file is missing, damaged, has no item ids, or neither titles nor categories.
    """
    fields = {"item_id": item_field, "title": title_field, "categories": "categories"}

    def build(block: Block) -> pa.Table:
        columns = {}
        for name, field in fields.items():
            values = block.columns.get(field, pa.nulls(len(block)))
            with naming(block, field):
                if pa.types.is_nested(values.type):
                    values = as_array([_joined(value) for value in values.to_pylist()])
                columns[name] = to_strings(values)
        table = pa.table(columns).cast(ITEM_SCHEMA)
        blank = pc.equal(pc.utf8_trim_whitespace(table["item_id"]), "").fill_null(True)
        row = pc.index(blank, True).as_py()
        if row >= 0:
            raise RowError(f"{block.where(row)}: no {item_field}", f"no {item_field}")
        return table

    n_items = 0
    for block in read(path, list(fields.values()), log):
        if item_field not in block.fields or not {title_field, "categories"} & set(block.fields):
            raise DataError(
                f"{path} needs a field {item_field!r}, and {title_field!r} or 'categories'; it "
                f"has: {', '.join(block.fields)}; --item_field and --title_field name others"
            )
        for table in salvage(block, build, log):
            n_items += len(table)
            yield table
    if not n_items:
        raise DataError(f"{path} has no items")


def _joined(value: Any) -> Any:
    return " > ".join(str(_joined(part)) for part in value) if isinstance(value, list) else value
