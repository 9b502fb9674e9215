"""Tables in Markdown and for the terminal, and their cells."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns: the first to the left, the others to the right.

    Args:
        header: a cell a column.
        rows: likewise; whatever is in a cell, it cannot break the table.
    """
    cells = [[_one_line(cell).replace("|", r"\|") for cell in row] for row in [header, *rows]]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    lines = [
        [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in cells
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def terminal_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str, *, n_words: int = 1
) -> Table:
    """A table for the terminal; whatever is in a cell or in the title is shown as it is.

    Args:
        header: a cell a column.
        rows: likewise.
        title: shown above.
        n_words: columns of words, which come first; all others are aligned to the right.
    """
    # As texts: of strings, rich would read "[…]" as markup, and ":…:" as the name of an emoji.
    table = Table(title=Text(title, style="table.title"))
    for place, cell in enumerate(header):
        table.add_column(Text(cell), justify="left" if place < n_words else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def p_value(value: float) -> str:
    """A p-value in four digits, or its magnitude where these would be zeros."""
    return f"{value:.4f}" if value >= 0.00005 else f"{value:.0e}"


def number(value: float | None, pattern: str = ".4f") -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None or value != value else f"{value:{pattern}}"


def count_range(low: int, high: int) -> str:
    """Such as "3–7", or "3" where both are equal."""
    return str(low) if low == high else f"{low}–{high}"


def plain(name: str) -> str:
    """A name for matplotlib, which would read mathematics between dollar signs."""
    return name.replace("$", r"\$")


def _one_line(cell: str) -> str:
    return " ".join(cell.splitlines()) if "\n" in cell or "\r" in cell else cell


def metrics_table(metrics: Mapping[str, float], title: str) -> Table:
    """A table of metrics, a row a metric and a column a cut-off.

    Args:
        metrics: "metric@k" -> value.
        title: shown above.
    """
    names = list(dict.fromkeys(key.split("@")[0] for key in metrics))
    cut_offs = sorted({int(key.split("@")[1]) for key in metrics})
    digits = {name: 1 if name == "popularity" else 4 for name in names}
    rows = [
        [name, *(f"{metrics[f'{name}@{k}']:.{digits[name]}f}" for k in cut_offs)] for name in names
    ]
    return terminal_table(["metric", *(f"@{k}" for k in cut_offs)], rows, title)
