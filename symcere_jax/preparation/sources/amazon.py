"""Amazon review data: 2014 and 2018 (one format), and 2023.

JSON lines, gzipped. 2014 and 2018: `reviewerID asin overall reviewText summary unixReviewTime`, in
seconds. 2023: `user_id parent_asin rating title text timestamp`, in milliseconds; the item is
`parent_asin`, which variants of a product share. Its metadata files hold `parent_asin title
main_category categories`.
"""

from symcere_jax.preparation.sources.source import Source, json_lines_of

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
_READ_2018 = json_lines_of(_FIELDS_2018, heading="summary")
_OBTAIN = "a category's reviews are at {}, for research"
_PAGE_2014 = "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html"
SOURCES = (
    Source("amazon_2014", _READ_2018, obtain=_OBTAIN.format(_PAGE_2014)),
    Source("amazon_2018", _READ_2018, obtain=_OBTAIN.format("https://nijianmo.github.io/amazon")),
    Source(
        "amazon_2023",
        json_lines_of(_FIELDS_2023, heading="title"),
        obtain=_OBTAIN.format("https://amazon-reviews-2023.github.io"),
        filters=("item_metadata",),
        item_fields=("parent_asin", "title"),
    ),
)
