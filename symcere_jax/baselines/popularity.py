"""Popularity: the same ranking for everybody."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from symcere_jax.baselines.scorer import Scorer
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import SettingsBase


@dataclasses.dataclass(frozen=True)
class PopularitySettings(SettingsBase):
    """There is nothing to set."""

    SPACE: ClassVar[dict[str, tuple]] = {}


def fit_popularity(dataset: ReviewDataset, settings: PopularitySettings, seed: int) -> Scorer:
    """Scores an item by the number of its training interactions."""
    return Scorer(_score_block, jnp.asarray(dataset.item_counts(), jnp.float32))


def _score_block(counts: jax.Array, users: jax.Array) -> jax.Array:
    return jnp.broadcast_to(counts, (len(users), len(counts)))
