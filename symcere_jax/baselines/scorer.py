"""What methods share: the scorer that a fit returns, and the training interactions."""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from symcere_jax.data import ReviewDataset
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


@flax.struct.dataclass
class Histories:
    """The training items of each user, on the device: `interaction_matrix` without its ones.

    Attributes:
        indptr: int32 `[n_users + 1]`.
        indices: int32 `[n]`.
        n_items: size of the catalog.
        longest: the most items of a user.
    """

    indptr: jax.Array
    indices: jax.Array
    n_items: int = flax.struct.field(pytree_node=False)
    longest: int = flax.struct.field(pytree_node=False)

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset) -> "Histories":
        """Collects the training interactions of a prepared folder."""
        matrix = interaction_matrix(dataset)
        indptr, indices = (jnp.asarray(x, jnp.int32) for x in (matrix.indptr, matrix.indices))
        return cls(indptr, indices, dataset.n_items, int(np.diff(matrix.indptr).max(initial=0)))

    def counts(self, users: jax.Array) -> jax.Array:
        """Number of items of each of `users`, int32 `[b]`."""
        return self.indptr[users + 1] - self.indptr[users]

    def padded(self, users: jax.Array, fill: int) -> jax.Array:
        """The items of `users`, int32 `[b, longest]`, `fill` behind the last item of each."""
        start, end = self.indptr[users, None], self.indptr[users + 1, None]
        places = start + jnp.arange(self.longest)
        return jnp.where(places < end, self.indices.at[places].get(mode="clip"), fill)

    def multi_hot(self, users: jax.Array) -> jax.Array:
        """Rows of the interaction matrix, float32 `[b, n_items]`."""
        rows = jnp.arange(len(users))[:, None]
        items = self.padded(users, self.n_items)
        return jnp.zeros((len(users), self.n_items)).at[rows, items].set(1, mode="drop")


def score_item_item(params: tuple[Histories, jax.Array], users: jax.Array) -> jax.Array:
    """Of histories and weights `[n_items, n_items]`: sums the rows of each user's items."""
    histories, weights = params
    return histories.multi_hot(users) @ weights
