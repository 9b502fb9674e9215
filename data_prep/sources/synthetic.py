"""Generated reviews as a kind of raw data."""

import numpy as np
import pyarrow as pa

from data_prep import synthetic
from data_prep.config import PrepareConfig
from data_prep.sources.raw import RAW_SCHEMA, Origin, RawReviews


def read(config: PrepareConfig) -> RawReviews:
    """Generates the reviews; equal settings and seed give equal ones.

    Args:
        config: its seed and `synthetic_…` settings.
    """
    options = {
        "users": config.synthetic_users,
        "items": config.synthetic_items,
        "reviews_per_user": config.synthetic_reviews_per_user,
        "seed": config.seed,
    }
    reviews = synthetic.generate(
        n_users=config.synthetic_users,
        n_items=config.synthetic_items,
        reviews_per_user=config.synthetic_reviews_per_user,
        seed=config.seed,
    )
    n_reviews = len(reviews.user)
    columns = [
        synthetic.ids("user", config.synthetic_users).take(reviews.user),
        synthetic.ids("item", config.synthetic_items).take(reviews.item),
        reviews.rating,
        reviews.timestamp,
        reviews.text,
        pa.nulls(n_reviews),
    ]
    origin = Origin(("generated row",), np.zeros(n_reviews, np.int32), np.arange(1, n_reviews + 1))
    return RawReviews(
        table=pa.table(columns, names=RAW_SCHEMA.names).cast(RAW_SCHEMA),
        origin=origin,
        n_read=n_reviews,
        dropped={},
        options=options,
        files=(),
    )
