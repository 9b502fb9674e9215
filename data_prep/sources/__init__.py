"""The kinds of raw data, a module each.

A reader takes the settings and returns `RawReviews`: a table of six columns, and for each of its
rows the file and line it came from. To add a kind of raw data, write a module with such a `read`
and name it here; everything after it is shared.
"""

from collections.abc import Callable

from data_prep.config import PrepareConfig
from data_prep.sources import synthetic, table, tripadvisor_lara
from data_prep.sources.raw import RawReviews

SOURCES: dict[str, Callable[[PrepareConfig], RawReviews]] = {
    "table": table.read,
    "tripadvisor_lara": tripadvisor_lara.read,
    "synthetic": synthetic.read,
}
