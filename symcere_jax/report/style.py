"""How plots look: distinguishable without colour vision, by markers and lines as well.

The colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008), which people with any
common kind of colour blindness tell apart.
"""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")


def color(row: int) -> str:
    """The colour of the run of that row."""
    return COLORS[row % len(COLORS)]


def line_style(row: int) -> dict[str, Any]:
    """Colour, marker and line of the run of that row."""
    return {
        "color": color(row),
        "marker": MARKERS[row % len(MARKERS)],
        "linestyle": LINES[row % len(LINES)],
    }


def side_by_side(
    plot: Callable[[list[Axes]], None], n: int, size: tuple[float, float] = (15.0, 4.6)
) -> Figure:
    """A figure of n panels in a row.

    Args:
        plot: draws on the panels.
        n: how many.
        size: width and height in inches.
    """
    figure = Figure(figsize=size, layout="constrained")
    plot(list(figure.subplots(1, n)))
    return figure


def one_each(
    plot: Callable[[list[Axes]], None], n: int, size: tuple[float, float] = (5.0, 3.8)
) -> list[Figure]:
    """Figures of one panel each, which a page can lay out for its width.

    Args:
        plot: draws on the panels.
        n: how many.
        size: width and height of each, in inches.
    """
    figures, axes = panels(n, size)
    plot(axes)
    return figures


def panels(n: int, size: tuple[float, float] = (5.0, 3.8)) -> tuple[list[Figure], list[Axes]]:
    """Figures of one panel each, which a page can lay out for its width.

    Args:
        n: how many.
        size: width and height in inches.
    """
    figures = [Figure(figsize=size, layout="constrained") for _ in range(n)]
    return figures, [figure.subplots() for figure in figures]
