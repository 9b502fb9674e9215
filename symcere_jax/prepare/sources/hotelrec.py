"""HotelRec (Antognini and Faltings, LREC 2020): 50 million TripAdvisor hotel reviews.

JSON lines of `hotel_url author date rating title text`. The item is the number after "-d" in
`hotel_url`, and its last part is the place, which --city keeps one of:
"Hotel_Review-g60763-d93437-Reviews-Some_Hotel-New_York_City_New_York.html".
"""

import functools
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.prepare.read.bad_rows import BadRows, RowError
from symcere_jax.prepare.read.columns import iso_to_seconds, to_numbers
from symcere_jax.prepare.read.formats import Block
from symcere_jax.prepare.read.raw import RawBlock, shorten
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources.json_fields import column, read_json_reviews, titled, typed
from symcere_jax.prepare.sources.source import Source

_WANTED = ("hotel_url", "author", "date", "rating", "title", "text")
_NAMES = {"user_id": "author", "item_id": "hotel_url", "timestamp": "date"}
_URL = r"-d(?P<hotel>\d+)-Reviews(?:-or\d+)?-(?:.*-)?(?P<place>[^-]*?)(?:\.html)?$"


def _read(settings: PrepareSettings, bad: BadRows) -> Iterator[RawBlock]:
    assert settings.input is not None
    keep = functools.partial(_keep, city=settings.city) if settings.city else None
    required = ("hotel_url", "author", "date", "rating")
    return read_json_reviews(settings.input, _WANTED, required, _convert, bad, keep, _NAMES)


def _convert(block: Block) -> dict[str, pa.Array]:
    return {
        "user_id": column(block, "author"),
        "item_id": pc.struct_field(_parts(block), "hotel"),
        "rating": typed(block, "rating", to_numbers),
        "timestamp": typed(block, "date", iso_to_seconds),
        "text": titled(column(block, "title"), column(block, "text")),
    }


def _parts(block: Block) -> pa.Array:
    urls = column(block, "hotel_url")
    parts = pc.extract_regex(urls, _URL)
    row = pc.index(parts.is_null(), True).as_py()
    if row >= 0:
        raise RowError(
            f"{block.where(row)}: hotel_url is {shorten(urls[row].as_py())}, "
            "expected Hotel_Review-g…-d…-Reviews-hotel-place.html",
            "type of hotel_url",
        )
    return parts


def _keep(block: Block, city: str) -> tuple[np.ndarray, str]:
    place = pc.utf8_lower(pc.struct_field(_parts(block), "place"))
    asked = city.lower().replace(" ", "_")
    fits = pc.or_(pc.equal(place, asked), pc.starts_with(place, asked + "_"))
    return fits.to_numpy(zero_copy_only=False), "other city"


SOURCE = Source(
    "hotelrec",
    _read,
    obtain="its authors give it for research at https://github.com/Diego999/HotelRec",
    may_download=False,
    filters=("city",),
    options=lambda settings: {"city": settings.city},
)
