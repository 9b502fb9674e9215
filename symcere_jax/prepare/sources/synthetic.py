"""Generated reviews as a kind of raw data."""

from typing import Any

import numpy as np

from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.raw import RawBlock, RawBlocks, raw_table
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources.source import Source
from symcere_jax.prepare.sources.synthetic_truth import generate, ids


def _read(settings: PrepareSettings, bad: BadRows) -> RawBlocks:
    """Generates the reviews; equal settings and seed give equal ones."""
    del bad
    reviews = generate(
        n_users=settings.synthetic_users,
        n_items=settings.synthetic_items,
        reviews_per_user=settings.synthetic_reviews_per_user,
        seed=settings.seed,
    )
    n_reviews = len(reviews.user)
    columns = {
        "user_id": ids("user", settings.synthetic_users).take(reviews.user),
        "item_id": ids("item", settings.synthetic_items).take(reviews.item),
        "rating": reviews.rating,
        "timestamp": reviews.timestamp,
        "text": reviews.text,
    }
    table = raw_table(columns, n_reviews)
    yield RawBlock(table, np.arange(1, n_reviews + 1), "generated row", None)


def _options(settings: PrepareSettings) -> dict[str, Any]:
    return {
        "users": settings.synthetic_users,
        "items": settings.synthetic_items,
        "reviews_per_user": settings.synthetic_reviews_per_user,
        "seed": settings.seed,
    }


SOURCE = Source("synthetic", _read, options=_options)
