"""What every baseline gives: scores of users for all items, for `symcere_jax.evaluation`."""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from symcere_jax.data import Interactions, ReviewDataset
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


@flax.struct.dataclass
class Factors:
    """Embeddings that score by inner product.

    Attributes:
        users: float32 `[n_users, d]`.
        items: float32 `[n_items, d]`.
    """

    users: jax.Array
    items: jax.Array


def score_factors(factors: Factors, users: jax.Array) -> jax.Array:
    """`s_ui = x_u · y_i`, float32 `[b, n_items]`, for users int32 `[b]`."""
    return factors.users[users] @ factors.items.T


@flax.struct.dataclass
class Histories:
    """The training items of each user on the device, in compressed sparse rows.

    Attributes:
        start: int32 `[n_users + 1]`; user u has `items[start[u]:start[u + 1]]`.
        items: int32 `[n]`, ascending for each user.
        longest: length of the longest history.
    """

    start: jax.Array
    items: jax.Array
    longest: int = flax.struct.field(pytree_node=False)

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset) -> "Histories":
        """Takes the training split of a prepared folder."""
        rows = Interactions.from_pairs(dataset.train, dataset.n_users)
        return cls(
            start=jnp.asarray(rows.indptr, jnp.int32),
            items=jnp.asarray(rows.items),
            longest=int(np.diff(rows.indptr).max()),
        )

    def lengths(self, users: jax.Array) -> jax.Array:
        """Number of items of each of `users`, int32 `[b]`."""
        return self.start[users + 1] - self.start[users]

    def padded(self, users: jax.Array, fill: int) -> jax.Array:
        """The items of `users`, int32 `[b, longest]`; `fill` follows a user's last item."""
        places = self.start[users, None] + jnp.arange(self.longest)
        items = self.items.at[places].get(mode="fill", fill_value=fill)
        return jnp.where(places < self.start[users + 1, None], items, fill)


def interaction_matrix(dataset: ReviewDataset) -> scipy.sparse.csr_array:
    """The training interactions, float32 of ones, `[n_users, n_items]`."""
    users, items = dataset.train.T
    ones = np.ones(len(users), np.float32)
    return scipy.sparse.csr_array((ones, (users, items)), (dataset.n_users, dataset.n_items))
