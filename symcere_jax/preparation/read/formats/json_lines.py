"""JSON lines: one object per line.

Arrow parses blocks five times faster than Python. If it refuses a block, Python parses that block
line by line: it names the wrong line, and reads what Arrow does not, such as ids that are numbers
in one row and strings in the next, or the Python literals in some files of 2014.
"""

import ast
import functools
import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.raw_files import open_raw
from symcere_jax.preparation.read.rows import Block, Blocks, ReadingLog, RowError, salvage, shorten
from symcere_jax.preparation.read.typed_columns import as_array, naming

_HEAD_BYTES = 1 << 16  # parsed by Python, to learn the types of the fields
_BLOCK_BYTES = 1 << 23
_MAX_LINE_BYTES = 1 << 28
_PYTHON = ("{'", "{u'")  # quotes that JSON does not have
_FAST_TYPES = (pa.string(), pa.int64(), pa.float64(), pa.list_(pa.string()))


def read_json_lines(path: Path, wanted: Collection[str], log: ReadingLog) -> Blocks:
    """Reads a file with one JSON object per line; blank lines are skipped."""
    label = f"{path}, line"
    schema: pa.Schema | None = None
    fields: dict[str, None] = {}
    first = 1
    with open_raw(path) as stream:
        for content in _whole_lines(stream, path):
            n_lines = content.count(b"\n") + (not content.endswith(b"\n"))
            block = _parse_fast(content, first, n_lines, schema, label) if schema else None
            if block is not None:
                present = [n for n, c in block.columns.items() if c.null_count < len(c)]
                fields |= dict.fromkeys(present)
                yield Block(block.columns, block.lines, tuple(fields), label)
            else:
                rows = _parse_carefully(content, first, label, log)
                fields |= dict.fromkeys(name for _, row in rows for name in row)
                build = functools.partial(_block, wanted, tuple(fields), label)
                for block in salvage(rows, build, log) if rows else ():
                    schema = _fast_schema(block, wanted)
                    yield block
            first += n_lines


def _whole_lines(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yields the file in parts that end where a line ends."""
    size, bom = _HEAD_BYTES, b"\xef\xbb\xbf"
    while content := stream.read(size):
        rest = stream.readline(_MAX_LINE_BYTES)
        if len(rest) == _MAX_LINE_BYTES:
            raise DataError(f"{path}: a line is longer than 256 MiB; this is not a JSON lines file")
        yield content.removeprefix(bom) + rest
        size, bom = _BLOCK_BYTES, b""


def _parse_fast(
    content: bytes, first: int, n_lines: int, schema: pa.Schema, label: str
) -> Block | None:
    """The block as Arrow reads it; None if it cannot, or might differ from Python."""
    if not content.isascii():
        try:
            content.decode()  # Arrow does not look
        except UnicodeDecodeError:
            return None
    try:
        table = pj.read_json(
            io.BytesIO(content),
            read_options=pj.ReadOptions(block_size=len(content) + 1),
            parse_options=pj.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowException:
        return None
    # Arrow would take two objects on a line, or one on two.
    if len(table) != n_lines or content.count(b"\n{") + content.startswith(b"{") != n_lines:
        return None
    columns = {name: table[name].combine_chunks() for name in schema.names}
    lines = np.arange(first, first + n_lines, dtype=np.int64)
    return Block(columns, lines, (), label)


def _block(
    wanted: Collection[str],
    fields: tuple[str, ...],
    label: str,
    rows: list[tuple[int, dict[str, Any]]],
) -> Block:
    block = Block({}, np.array([line for line, _ in rows], np.int64), fields, label)
    for name in set(wanted) & set(fields):
        with naming(block, name):
            block.columns[name] = as_array([row.get(name) for _, row in rows])
    return block


def _parse_carefully(
    content: bytes, first: int, label: str, log: ReadingLog
) -> list[tuple[int, dict[str, Any]]]:
    """Line and object of each row."""
    rows = []
    for number, line in enumerate(content.split(b"\n"), start=first):
        if not line or line.isspace():
            continue
        try:
            rows.append((number, parse_line(line, f"{label} {number}")))
        except RowError as error:
            log.add(error)
    return rows


def parse_line(line: bytes, where: str) -> dict[str, Any]:
    """The object in a line without byte order mark; `where` names the line in messages.

    Raises:
        RowError: it is not UTF-8, or not one whole JSON object.
    """
    try:
        text = line.decode()
        row = _literal(text) if text.startswith(_PYTHON) else json.loads(text)
    except UnicodeDecodeError as error:
        raise RowError(
            f"{where}: not UTF-8 ({error.reason}); convert the file to UTF-8", "not UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        extra = text[error.pos :] if isinstance(error, json.JSONDecodeError) else ""
        raise RowError(
            f"{where}: not valid JSON ({error}); every line must hold one complete JSON object",
            "not valid JSON",
            n_rows=2 if extra.startswith("{") else 1,
        ) from None
    if not isinstance(row, dict):
        raise RowError(
            f"{where}: {shorten(row)} is not a JSON object; every line must hold one",
            "not a JSON object",
        )
    return row


def _literal(text: str) -> Any:
    """What a Python literal stands for; no code is run."""
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, MemoryError) as error:
        raise ValueError(f"nor a Python literal: {error}") from None


def _fast_schema(block: Block, wanted: Collection[str]) -> pa.Schema | None:
    """The types of a block that Python has parsed, which Arrow must find; None: Python goes on."""
    kinds = {name: column.type for name, column in block.columns.items()}
    fields = {name: kinds.get(name, pa.string()) for name in wanted}
    fields |= {name: pa.string() for name, kind in fields.items() if pa.types.is_null(kind)}
    return pa.schema(fields) if set(fields.values()) <= set(_FAST_TYPES) else None
