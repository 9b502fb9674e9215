"""The base class of baselines, their training interactions, and the simplest: popularity."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.evaluation import ScoreBlock


@dataclasses.dataclass(frozen=True)
class Scorer:
    """A fitted model, as `evaluation.evaluate` takes it.

    `score_block` is a function of a module, so that it is compiled once for all settings.
    """

    score_block: ScoreBlock
    params: Any


@dataclasses.dataclass(frozen=True)
class Baseline(abc.ABC):
    """A method to compare with; its fields are its settings."""

    title: ClassVar[str]  # what tables call it
    space: ClassVar[Mapping[str, tuple]] = {}  # name of a setting -> the values to choose from
    random: ClassVar[bool] = False  # whether the seed matters

    @abc.abstractmethod
    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        """Fits the method to the training interactions.

        Raises:
            ConfigError: a package is missing, or the catalog is too large for the method.
            DataError: there are no text features or texts, or no validation split to stop by.
            SymcereError: the training diverges.
        """


class Popularity(Baseline):
    """The same ranking for everybody: by the number of training interactions."""

    title = "popularity"

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        return Scorer(_score_alike, jnp.asarray(dataset.item_counts(), jnp.float32))


def _score_alike(counts: jax.Array, users: jax.Array) -> jax.Array:
    return jnp.broadcast_to(counts, (len(users), len(counts)))


def interaction_matrix(dataset: ReviewDataset) -> scipy.sparse.csr_array:
    """The training interactions, float32 of ones, `[n_users, n_items]`, items ascending."""
    users, items = dataset.train.T
    ones = np.ones(len(users), np.float32)
    matrix = scipy.sparse.csr_array((ones, (users, items)), (dataset.n_users, dataset.n_items))
    matrix.sort_indices()
    return matrix


def training_histories(dataset: ReviewDataset) -> Histories:
    """The training items of each user, on the device."""
    return Histories.from_pairs(dataset.train, dataset.n_users, dataset.n_items)


def text_features(dataset: ReviewDataset, side: str) -> np.ndarray:
    """Features of "users" or "items" by the first text encoder of a prepared folder.

    Raises:
        DataError: it was prepared without.
    """
    for name in dataset.manifest.text_encoders:
        return dataset.text_features(name, side)
    raise DataError(
        f"{dataset.folder} has no text features; prepare it with --text_encoder=lsa, "
        "or leave this method out"
    )
