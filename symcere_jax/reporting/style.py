"""How plots look: distinguishable without colour vision, by markers and lines as well.

The colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008), which people with any
common kind of colour blindness tell apart.
"""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")


def color(row: int) -> str:
    """The colour of the run of that row."""
    return COLORS[row % len(COLORS)]
