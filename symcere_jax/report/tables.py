"""Tables, in Markdown and for the terminal, and their cells."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich import table as rich_table
from rich.text import Text

Columns = Sequence[tuple[str, Callable[[Any], str]]]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of texts; whatever is in a cell is shown as it is.

    Attributes:
        n_words: columns of words, which come first; all others are aligned to the right.
        summary: a line under which a page folds the table away; empty: it is open.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_words: int = 1
    summary: str = ""

    @classmethod
    def of(cls, records: Iterable[Any], columns: Columns, n_words: int = 1) -> "Table":
        """One row per record; the function of a column makes its cell."""
        rows = [[cell(record) for _, cell in columns] for record in records]
        return cls([name for name, _ in columns], rows, n_words)

    def markdown(self) -> str:
        """The table in Markdown, aligned so that it reads well as plain text, too."""
        cells = [[_one_line(cell) for cell in row] for row in [self.header, *self.rows]]
        widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
        is_word = [column < self.n_words for column in range(len(widths))]
        rule = [
            "-" * width if word else "-" * (width - 1) + ":"
            for width, word in zip(widths, is_word, strict=True)
        ]
        lines = [
            [
                cell.ljust(width) if word else cell.rjust(width)
                for cell, width, word in zip(row, widths, is_word, strict=True)
            ]
            for row in [cells[0], rule, *cells[1:]]
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def terminal(self, title: str) -> rich_table.Table:
        """The table for the terminal."""
        # As texts: of strings, rich would read "[…]" as markup, and ":…:" as the name of an emoji.
        table = rich_table.Table(title=Text(title, style="table.title"))
        for column, cell in enumerate(self.header):
            table.add_column(Text(cell), justify="left" if column < self.n_words else "right")
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table


def p_value(value: float) -> str:
    """A p-value in four digits, or its magnitude where these would be zeros."""
    return f"{value:.4f}" if value >= 0.00005 else f"{value:.0e}"


def number(value: float | None, pattern: str = ".4f") -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None or value != value else f"{value:{pattern}}"


def plus_minus(mean: float, error: float | None, pattern: str = ".4f") -> str:
    """A mean and its error, where there is one."""
    spread = "" if error is None else f" ± {error:{pattern.lstrip('+')}}"
    return f"{mean:{pattern}}{spread}"


def interval(mean: float, low: float, high: float, pattern: str = "+.4f") -> str:
    """A mean and the ends of its interval."""
    return f"{mean:{pattern}} [{low:{pattern}}, {high:{pattern}}]"


def count_range(low: int, high: int) -> str:
    """Such as "3–7", or "3" where both are equal."""
    return str(low) if low == high else f"{low}–{high}"


def _one_line(cell: str) -> str:
    return " ".join(cell.splitlines()).replace("|", r"\|")
