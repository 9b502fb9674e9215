"""Plots: side by side in one image, or one figure per panel for a page.

Runs differ in marker and line as well as in color. The colors are those of M. Okabe and K. Ito,
"Color Universal Design" (2008), which people with any common color blindness can distinguish.
"""

import base64
import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symcere_jax.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:
    Axes = Figure = Any  # imported when something is drawn

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
_DPI = 110  # of the parts with many points, which are pixels
_DARK = "@media (prefers-color-scheme: dark) { svg { filter: invert(1) hue-rotate(180deg) } }"


def line_style(row: int) -> dict[str, Any]:
    """Color, marker and line of the run of a row."""
    return {
        "color": COLORS[row % len(COLORS)],
        "marker": MARKERS[row % len(MARKERS)],
        "linestyle": LINES[row % len(LINES)],
    }


def plain(name: str) -> str:
    """A name for matplotlib, which would read mathematics between dollar signs."""
    return name.replace("$", r"\$")


def note(axes: Axes, text: str) -> None:
    """Writes into an empty panel why it is empty."""
    axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes)


def draw_by_bucket(
    axes: Axes, labels: Sequence[str], lines: Mapping[str, tuple[Sequence, Sequence | None]]
) -> None:
    """Draws a line per name: values by bucket of training interactions, and their errors."""
    for row, (name, (values, errors)) in enumerate(lines.items()):
        style = line_style(row) | {"label": plain(name)}
        axes.errorbar(range(len(labels)), values, errors, capsize=3, **style)
    axes.set_xticks(range(len(labels)), labels, rotation=45)
    axes.set(xlabel="training interactions", ylim=(0, None))
    axes.legend(fontsize="small")


@dataclasses.dataclass(frozen=True)
class Plot:
    """Panels of a plot; nothing is drawn before it is asked for.

    Attributes:
        draw: draws on the axes of all panels, and gives each a title.
        panel_size: width and height of a panel in inches.
    """

    draw: Callable[[list[Axes]], None]
    n_panels: int
    caption: str
    panel_size: tuple[float, float] = (5.0, 3.8)

    def figure(self) -> Figure:
        """All panels in a row."""
        width, height = self.panel_size
        figure = _new_figure(width * self.n_panels, height)
        self.draw(list(figure.subplots(1, self.n_panels, squeeze=False)[0]))
        return figure

    def figures(self) -> list[Figure]:
        """One figure per panel."""
        figures = [_new_figure(*self.panel_size) for _ in range(self.n_panels)]
        self.draw([figure.subplots() for figure in figures])
        return figures

    def images(self) -> list[tuple[str, str]]:
        """The title of each panel, and its image as an address for a page."""
        images = []
        for figure in self.figures():
            data = base64.b64encode(svg(figure).encode()).decode("ascii")
            images.append((figure.axes[0].get_title(), f"data:image/svg+xml;base64,{data}"))
        return images


def svg(figure: Figure) -> str:
    """A figure as SVG: text stays text, and the colors suit the reader's light or dark theme."""
    buffer = io.StringIO()
    # With a salt and without a date, equal figures are equal files.
    with require("matplotlib", extra="report").rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "symcere"}
    ):
        figure.savefig(buffer, format="svg", dpi=_DPI, metadata={"Date": None})
    head, style, rest = buffer.getvalue().partition('<style type="text/css">')
    return head + style + _DARK + rest


def _new_figure(width: float, height: float) -> Any:
    matplotlib = require("matplotlib.figure", extra="report")
    return matplotlib.Figure(figsize=(width, height), layout="constrained")
