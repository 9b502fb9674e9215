"""Amazon review data: 2014 and 2018 (one format), and 2023.

JSON lines, gzipped. 2014 and 2018: `reviewerID asin overall reviewText summary unixReviewTime`, in
seconds. 2023: `user_id parent_asin rating title text timestamp`, in milliseconds; the item is
`parent_asin`, which variants of a product share. Its metadata files hold `parent_asin title
main_category categories`.
"""

import functools
from collections.abc import Iterator, Mapping

import pyarrow as pa

from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.columns import to_numbers, to_seconds
from symcere_jax.prepare.read.formats import Block
from symcere_jax.prepare.read.raw import RawBlock
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources.item_metadata import read_items
from symcere_jax.prepare.sources.json_fields import column, read_json_reviews, titled, typed
from symcere_jax.prepare.sources.source import Source

_2018 = {
    "user": "reviewerID",
    "item": "asin",
    "rating": "overall",
    "title": "summary",
    "text": "reviewText",
    "time": "unixReviewTime",
}
_COLUMNS = {"user_id": "user", "item_id": "item", "rating": "rating", "timestamp": "time"}
_2023 = {
    "user": "user_id",
    "item": "parent_asin",
    "rating": "rating",
    "title": "title",
    "text": "text",
    "time": "timestamp",
}


def _convert(block: Block, fields: Mapping[str, str], unit: str) -> dict[str, pa.Array]:
    return {
        "user_id": column(block, fields["user"]),
        "item_id": column(block, fields["item"]),
        "rating": typed(block, fields["rating"], to_numbers),
        "timestamp": typed(block, fields["time"], functools.partial(to_seconds, unit=unit)),
        "text": titled(column(block, fields["title"]), column(block, fields["text"])),
    }


def _read(
    settings: PrepareSettings, bad: BadRows, fields: Mapping[str, str], unit: str
) -> Iterator[RawBlock]:
    assert settings.input is not None
    convert = functools.partial(_convert, fields=fields, unit=unit)
    required = [fields[name] for name in ("user", "item", "rating", "time")]
    names = {column: fields[name] for column, name in _COLUMNS.items()}
    return read_json_reviews(
        settings.input, list(fields.values()), required, convert, bad, names=names
    )


def _items_2023(settings: PrepareSettings, bad: BadRows) -> Iterator[pa.Table]:
    assert settings.item_metadata is not None
    return read_items(settings.item_metadata, "parent_asin", "title", "categories", bad)


_SITES = {
    2014: "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
    2018: "https://nijianmo.github.io/amazon/index.html",
    2023: "https://amazon-reviews-2023.github.io",
}
_OBTAIN = "a category's reviews are at {}, for research"
SOURCES = (
    *(
        Source(
            f"amazon_{year}",
            functools.partial(_read, fields=_2018, unit="s"),
            obtain=_OBTAIN.format(_SITES[year]),
        )
        for year in (2014, 2018)
    ),
    Source(
        "amazon_2023",
        functools.partial(_read, fields=_2023, unit="ms"),
        obtain=_OBTAIN.format(_SITES[2023]),
        filters=("item_metadata",),
        items=_items_2023,
        item_file=lambda settings: settings.item_metadata,
    ),
)
