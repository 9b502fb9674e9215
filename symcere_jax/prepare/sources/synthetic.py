"""Generated reviews as a kind of raw data."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.raw import RAW_SCHEMA, RawBlock
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources.source import Source
from symcere_jax.prepare.sources.synthetic_truth import generate, ids


def _read(settings: PrepareSettings, bad: BadRows) -> Iterator[RawBlock]:
    """Generates the reviews; equal settings and seed give equal ones."""
    del bad
    reviews = generate(
        n_users=settings.synthetic_users,
        n_items=settings.synthetic_items,
        reviews_per_user=settings.synthetic_reviews_per_user,
        seed=settings.seed,
    )
    n_reviews = len(reviews.user)
    columns = [
        ids("user", settings.synthetic_users).take(reviews.user),
        ids("item", settings.synthetic_items).take(reviews.item),
        reviews.rating,
        reviews.timestamp,
        reviews.text,
        pa.nulls(n_reviews),
    ]
    table = pa.table(columns, names=RAW_SCHEMA.names).cast(RAW_SCHEMA)
    yield RawBlock(table, np.arange(1, n_reviews + 1), "generated row", None)


def _options(settings: PrepareSettings) -> dict[str, Any]:
    return {
        "users": settings.synthetic_users,
        "items": settings.synthetic_items,
        "reviews_per_user": settings.synthetic_reviews_per_user,
        "seed": settings.seed,
    }


SOURCE = Source("synthetic", _read, options=_options)
