"""User kNN: what users with the same items interacted with."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from symcere_jax.baselines.scorer import Scorer, interaction_matrix, training_histories
from symcere_jax.baselines.similar_items import nearest_neighbors, shrunk_cosines
from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.fields import SettingsBase, setting


@dataclasses.dataclass(frozen=True)
class UserKnnSettings(SettingsBase):
    """Settings of user kNN."""

    k: int = setting(100, "neighbors of each user", minimum=1)
    shrinkage: float = setting(
        10.0, "added to the denominator, against similarities of few items", minimum=0
    )

    SPACE: ClassVar[dict[str, tuple]] = {
        "k": (10, 20, 50, 100, 200, 500),
        "shrinkage": (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
    }


def fit_user_knn(dataset: ReviewDataset, settings: UserKnnSettings, seed: int) -> Scorer:
    """Neighbors by shrunk cosine, `w_uv = n_uv / (sqrt(n_u n_v) + shrinkage)`.

    `n_u` is the number of training items of user u, `n_uv` of both u and v.
    """
    similarities = shrunk_cosines(interaction_matrix(dataset), settings.shrinkage)
    neighbors, weights = nearest_neighbors(similarities, dataset.n_users, settings.k)
    params = training_histories(dataset), jnp.asarray(neighbors), jnp.asarray(weights)
    return Scorer(score_user_neighbors, params)


def score_user_neighbors(
    params: tuple[Histories, jax.Array, jax.Array], users: jax.Array
) -> jax.Array:
    """Sums the similarities of the neighbors that have an item: `s_ui = Σ_{v ∈ N_k(u)} w_uv x_vi`.

    The parameters are the histories of the users, and of each user its neighbors, int32
    `[n_users, k]`, and their similarities, float32 of the same shape.
    """
    histories, neighbors, similarities = params

    def add(scores: jax.Array, rank: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        others, weights = rank
        return scores + weights[:, None] * histories.multi_hot(others), None

    start = jnp.zeros((len(users), histories.n_items))
    return jax.lax.scan(add, start, (neighbors[users].T, similarities[users].T))[0]
