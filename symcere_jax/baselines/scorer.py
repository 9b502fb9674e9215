"""What methods share: the scorer that a fit returns, and the training interactions."""

import dataclasses
from typing import Any

import flax.struct
import jax
import numpy as np
import scipy.sparse

from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.evaluation import ScoreBlock


@dataclasses.dataclass(frozen=True)
class Scorer:
    """A fitted model, as `evaluation.evaluate` takes it.

    Attributes:
        score_block: `score_block(params, users [b]) -> [b, n_items]`; a function of a module, so
            that it is compiled once for all settings.
        params: any pytree of arrays.
    """

    score_block: ScoreBlock
    params: Any


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


@flax.struct.dataclass
class ItemItem:
    """A dense matrix of what an item in a user's history says for every item.

    Attributes:
        histories: of the users.
        weights: float32 `[n_items, n_items]`, a row an item of the history.
    """

    histories: Histories
    weights: jax.Array


def score_item_item(params: ItemItem, users: jax.Array) -> jax.Array:
    """Sums the rows of each user's items, float32 `[b, n_items]`."""
    return params.histories.multi_hot(users) @ params.weights
