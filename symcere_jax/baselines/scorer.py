"""What every baseline gives: scores of users for all items, for `symcere_jax.evaluation`."""

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse

from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import ScoreBlock
from symcere_jax.training.user_items import UserItems


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


def training_items(dataset: ReviewDataset) -> UserItems:
    """The training items of each user of a prepared folder."""
    return UserItems.from_pairs(dataset.train, dataset.n_users)


def interaction_matrix(dataset: ReviewDataset) -> scipy.sparse.csr_array:
    """The training interactions, float32 of ones, `[n_users, n_items]`."""
    users, items = dataset.train.T
    ones = np.ones(len(users), np.float32)
    return scipy.sparse.csr_array((ones, (users, items)), (dataset.n_users, dataset.n_items))
