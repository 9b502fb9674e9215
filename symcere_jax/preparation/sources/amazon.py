"""Amazon review data: 2014 and 2018 (one format), and 2023.

JSON lines, gzipped. 2014 and 2018: `reviewerID asin overall reviewText summary unixReviewTime`, in
seconds. 2023: `user_id parent_asin rating title text timestamp`, in milliseconds; the item is
`parent_asin`, which variants of a product share. Its metadata files hold `parent_asin title
main_category categories`.
"""

from collections.abc import Iterator

import pyarrow as pa

from symcere_jax.preparation.read.formats import read_json_lines
from symcere_jax.preparation.read.rows import RawBlocks, ReadingLog
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.item_metadata import read_items
from symcere_jax.preparation.sources.source import Source
from symcere_jax.preparation.sources.typed_rows import read_typed_rows

_FIELDS_2018 = {
    "user_id": "reviewerID",
    "item_id": "asin",
    "rating": "overall",
    "text": "reviewText",
    "timestamp": "unixReviewTime",
}
_FIELDS_2023 = {
    "user_id": "user_id",
    "item_id": "parent_asin",
    "rating": "rating",
    "text": "text",
    "timestamp": "timestamp",
}


def _read_2018(settings: PrepareSettings, log: ReadingLog) -> RawBlocks:
    return read_typed_rows(settings.path, _FIELDS_2018, log, heading="summary")


def _read_2023(settings: PrepareSettings, log: ReadingLog) -> RawBlocks:
    return read_typed_rows(settings.path, _FIELDS_2023, log, heading="title", time_unit="ms")


def _items_2023(settings: PrepareSettings, log: ReadingLog) -> Iterator[pa.Table]:
    assert settings.item_metadata is not None
    return read_items(settings.item_metadata, read_json_lines, "parent_asin", "title", log)


_OBTAIN = "a category's reviews are at {}, for research"
SOURCES = (
    Source(
        "amazon_2014",
        _read_2018,
        obtain=_OBTAIN.format("https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html"),
    ),
    Source(
        "amazon_2018",
        _read_2018,
        obtain=_OBTAIN.format("https://nijianmo.github.io/amazon/index.html"),
    ),
    Source(
        "amazon_2023",
        _read_2023,
        obtain=_OBTAIN.format("https://amazon-reviews-2023.github.io"),
        filters=("item_metadata",),
        items=_items_2023,
        item_file=lambda settings: settings.item_metadata,
    ),
)
