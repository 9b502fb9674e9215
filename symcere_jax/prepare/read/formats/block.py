"""A block of rows, and how its good rows are separated from the bad ones."""

import dataclasses
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import numpy as np
import pyarrow as pa

from symcere_jax.prepare.read.bad_rows import BadRows, RowError

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

    def slice(self, start: int, stop: int) -> "Block":
        """The rows from `start` to before `stop`."""
        columns = {name: column[start:stop] for name, column in self.columns.items()}
        return dataclasses.replace(self, columns=columns, lines=self.lines[start:stop])


Blocks = Generator[Block, None, None]  # closed before its end, it closes the file


def salvage(n_rows: int, build: Callable[[int, int], T], bad: BadRows) -> Iterator[T]:
    """Builds pieces of rows, as few as the bad rows among them allow, and yields them in order.

    Bad rows are found by bisection: b of them among n cost about b·log₂ n builds, and a block
    without any costs one.

    Args:
        n_rows: number of rows.
        build: makes a piece of the rows from start to before stop, or raises `RowError`.
        bad: collects the rows that cannot be built even alone.
    """
    parts = [(0, n_rows)]
    while parts:
        start, stop = parts.pop()
        try:
            piece = build(start, stop)
        except RowError as error:
            if stop - start == 1:
                bad.add(error)
            else:
                middle = (start + stop) // 2
                parts += [(middle, stop), (start, middle)]
        else:
            yield piece
