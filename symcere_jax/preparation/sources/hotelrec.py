"""HotelRec (Antognini and Faltings, LREC 2020): 50 million TripAdvisor hotel reviews.

JSON lines of `hotel_url author date rating title text`. The item is the number after "-d" in
`hotel_url`; its last part is the place, by which --city selects:
"Hotel_Review-g60763-d93437-Reviews-Some_Hotel-New_York_City_New_York.html".
"""

import functools

import numpy as np
import pyarrow.compute as pc

from symcere_jax.preparation.read.rows import Block, RawRows, ReadingLog, RowError, shorten
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import Columns, Source, read_typed_rows

_FIELDS = {
    "user_id": "author",
    "item_id": "hotel_url",
    "rating": "rating",
    "text": "text",
    "timestamp": "date",
}
_URL = r"-d(?P<hotel>\d+)-Reviews(?:-or\d+)?-(?:.*-)?(?P<place>[^-]*?)(?:\.html)?$"


def _read(settings: PrepareSettings, log: ReadingLog) -> RawRows:
    adapt = functools.partial(_adapt, city=settings.city)
    return read_typed_rows(settings.path, _FIELDS, log, heading="title", adapt=adapt)


def _adapt(block: Block, columns: Columns, city: str | None) -> tuple[np.ndarray, str] | None:
    """Makes ids of the addresses of the hotels, and keeps those of a city."""
    urls = columns["item_id"]
    parts = pc.extract_regex(urls, _URL)
    row = pc.index(parts.is_null(), True).as_py()
    if row >= 0:
        raise RowError(
            f"{block.where(row)}: hotel_url is {shorten(urls[row].as_py())}, "
            "expected Hotel_Review-g…-d…-Reviews-hotel-place.html",
            "type of hotel_url",
        )
    columns["item_id"] = pc.struct_field(parts, "hotel")
    if not city:
        return None
    place = pc.utf8_lower(pc.struct_field(parts, "place"))
    asked = city.lower().replace(" ", "_")
    fits = pc.or_(pc.equal(place, asked), pc.starts_with(place, asked + "_"))
    return fits.to_numpy(zero_copy_only=False), "other city"


SOURCE = Source(
    "hotelrec",
    _read,
    obtain="its authors give it for research at https://github.com/Diego999/HotelRec",
    filters=("city",),
    options=lambda settings: {"city": settings.city},
)
