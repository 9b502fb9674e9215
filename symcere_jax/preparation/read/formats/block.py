"""A block of rows, and how its good rows are separated from the bad ones."""

import dataclasses
from collections.abc import Callable, Collection, Generator, Iterator
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import pyarrow as pa

from symcere_jax.preparation.read.bad_rows import BadRows, RowError
from symcere_jax.preparation.read.typed_columns import as_array


class _Rows(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Self: ...


R = TypeVar("R", bound=_Rows)
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Block:
    """Some consecutive rows of a file.

    Attributes:
        columns: field -> its values, for those of the wanted fields that the block has.
        lines: int64 `[n_rows]`, where each row begins, from 1.
        fields: names of the fields of the file, in order, as far as they are known.
        label: what a message calls the file, such as "reviews.csv, line".
    """

    columns: dict[str, pa.Array]
    lines: np.ndarray
    fields: tuple[str, ...]
    label: str

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, row: int) -> str:
        """The file and line of a row, for a message."""
        return f"{self.label} {self.lines[row]}"

    def __getitem__(self, part: slice) -> "Block":
        columns = {name: column[part] for name, column in self.columns.items()}
        return dataclasses.replace(self, columns=columns, lines=self.lines[part])


Blocks = Generator[Block, None, None]  # closed before its end, it closes the file


def salvage(rows: R, build: Callable[[R], T], bad: BadRows) -> Iterator[T]:
    """Builds pieces of rows, as few as the bad rows among them allow, and yields them in order.

    Bad rows are found by bisection: b of them among n cost about b·log₂ n builds, and a block
    without any costs one.

    Args:
        rows: a block or a list.
        build: makes a piece of consecutive rows, or raises `RowError`.
        bad: collects the rows that cannot be built even alone.
    """
    parts = [rows]
    while parts:
        part = parts.pop()
        try:
            piece = build(part)
        except RowError as error:
            if len(part) == 1:
                bad.add(error)
            else:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
        else:
            yield piece


def blocks_of_objects(
    rows: list[tuple[int, dict[str, Any]]],
    wanted: Collection[str],
    fields: tuple[str, ...],
    label: str,
    bad: BadRows,
) -> Iterator[Block]:
    """Blocks of rows that Python has parsed.

    Args:
        rows: line and values of each, by field.
        wanted: fields to keep.
        fields: names of the fields of the file.
        label: what a message calls the file.
        bad: collects rows with values that no column can hold.
    """

    def build(part: list[tuple[int, dict[str, Any]]]) -> Block:
        block = Block({}, np.array([line for line, _ in part], np.int64), fields, label)
        for name in wanted:
            if name in fields:
                values = [row.get(name) for _, row in part]
                block.columns[name] = as_array(values, name, block.where)
        return block

    return salvage(rows, build, bad) if rows else iter(())
