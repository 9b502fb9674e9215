"""The Yelp Open Dataset.

`yelp_academic_dataset_review.json`: JSON lines of `user_id business_id stars text date`, the date
as "2018-07-07 22:09:11". `yelp_academic_dataset_business.json`: JSON lines of `business_id name
city state categories`, the categories as one string, "Pizza, Restaurants", or as a list. The latter
file is beside the former, or named by --item_metadata; it is needed to keep one city, state or
category.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.formats import read_json_lines
from symcere_jax.preparation.read.rows import Block, RawRows, ReadingLog
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import Adapt, Columns, Source, read_typed_rows

_REVIEWS = "yelp_academic_dataset_review.json"
_BUSINESSES = "yelp_academic_dataset_business.json"
_FILTERS = ("city", "state", "category")
_FIELDS = {
    "user_id": "user_id",
    "item_id": "business_id",
    "rating": "stars",
    "text": "text",
    "timestamp": "date",
}


def _read(settings: PrepareSettings, log: ReadingLog) -> RawRows:
    keep: Adapt | None = None
    if any(getattr(settings, name) for name in _FILTERS):
        businesses = _chosen_businesses(settings)

        def keep(block: Block, columns: Columns) -> tuple[np.ndarray, str]:
            chosen = pc.is_in(columns["item_id"], value_set=businesses)
            return chosen.to_numpy(zero_copy_only=False), "other city, state or category"

    return read_typed_rows(_reviews(settings), _FIELDS, log, adapt=keep, required=_FIELDS)


def _reviews(settings: PrepareSettings) -> Path:
    return settings.path / _REVIEWS if settings.path.is_dir() else settings.path


def _businesses(settings: PrepareSettings) -> Path | None:
    if settings.item_metadata is not None:
        return settings.item_metadata
    path = _reviews(settings).with_name(_BUSINESSES)
    return path if path.exists() else None


def _chosen_businesses(settings: PrepareSettings) -> pa.Array:
    path = _businesses(settings)
    if path is None:
        raise DataError(
            f"--city, --state and --category need {_BUSINESSES} beside {_reviews(settings)}, "
            "or --item_metadata=FILE"
        )
    log = ReadingLog(settings.on_bad_row, settings.max_bad_share)
    chosen = []
    n_rows = 0
    for block in read_json_lines(path, ("business_id", "city", "state", "categories"), log):
        n_rows += len(block)
        rows = pa.table(block.columns).to_pylist()
        chosen += [str(row.get("business_id")) for row in rows if _fits(row, settings)]
    log.check(n_rows + log.n_bad)
    if not chosen:
        asked = ", ".join(f"--{name}={getattr(settings, name)}" for name in _FILTERS)
        raise DataError(f"{path}: no business matches {asked}")
    return pa.array(chosen, pa.large_string())


def _fits(business: dict, settings: PrepareSettings) -> bool:
    categories = business.get("categories") or ""
    if not isinstance(categories, list):  # as in editions before 2018
        categories = str(categories).split(",")
    for asked, values in (
        (settings.city, [business.get("city")]),
        (settings.state, [business.get("state")]),
        (settings.category, categories),
    ):
        # Cities are spelled in many cases.
        known = (str(value).strip().casefold() for value in values)
        if asked is not None and asked.casefold() not in known:
            return False
    return True


SOURCE = Source(
    "yelp",
    _read,
    obtain="agree to Yelp's terms at https://business.yelp.com/data/resources/open-dataset and "
    f"unpack the archive, so that --input holds {_REVIEWS} and {_BUSINESSES}",
    filters=("item_metadata", *_FILTERS),
    item_fields=("business_id", "name"),
    item_file=_businesses,
    options=lambda settings: {name: getattr(settings, name) for name in _FILTERS},
)
