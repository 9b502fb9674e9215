"""The kinds of raw data, one module each.

A new one is a module with a `Source`, which yields `RawBlock`s: tables that know the file and line
of every row. Its name joins `settings.SourceName`. Everything after that is shared.
"""

from symcere_jax.preparation.sources import (
    amazon,
    hotelrec,
    lightgcn_lists,
    synthetic_truth,
    table,
    tripadvisor_lara,
    yelp,
)
from symcere_jax.preparation.sources.source import Source

__all__ = ["SOURCES", "Source"]

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        *amazon.SOURCES,
        hotelrec.SOURCE,
        lightgcn_lists.SOURCE,
        synthetic_truth.SOURCE,
        table.SOURCE,
        tripadvisor_lara.SOURCE,
        yelp.SOURCE,
    )
}
