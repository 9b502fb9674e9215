"""Generated reviews as a kind of raw data."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.raw import RAW_SCHEMA, RawBlock
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources import generated as synthetic
from symcere_jax.prepare.sources.registry import Source, register


def _read(config: PrepareSettings, bad: BadRows) -> Iterator[RawBlock]:
    """Generates the reviews; equal settings and seed give equal ones."""
    del bad
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
    table = pa.table(columns, names=RAW_SCHEMA.names).cast(RAW_SCHEMA)
    yield RawBlock(table, np.arange(1, n_reviews + 1), "generated row", None)


def _options(config: PrepareSettings) -> dict[str, Any]:
    return {
        "users": config.synthetic_users,
        "items": config.synthetic_items,
        "reviews_per_user": config.synthetic_reviews_per_user,
        "seed": config.seed,
    }


register(Source("synthetic", _read, options=_options))
