"""SimGCL: LightGCN with a contrast of two noisy views of its embeddings."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from symcere_jax.baselines.neural.graph_training import (
    GraphInputs,
    Params,
    Triplets,
    fit_graph,
)
from symcere_jax.baselines.neural.infonce import distinct, infonce
from symcere_jax.baselines.neural.lightgcn import RankingSettings, ranking_loss
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import setting
from symcere_jax.graph import propagate
from symcere_jax.models import normalize_rows


@dataclasses.dataclass(frozen=True)
class SimGclSettings(RankingSettings):
    """Settings of SimGCL."""

    contrast: float = setting(0.1, "weight of the contrastive loss", minimum=0)
    noise: float = setting(0.1, "norm of the noise that each step adds", minimum=0)
    temperature: float = setting(0.2, "of the contrastive loss", above=0)

    SPACE: ClassVar[dict[str, tuple]] = {
        "n_layers": (2, 3),
        "batch_size": (512, 2048),
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "contrast": (0.003, 0.01, 0.03, 0.1, 0.3),
        "noise": (0.05, 0.1, 0.2),
        "temperature": (0.1, 0.2, 0.5),
    }


def fit_simgcl(dataset: ReviewDataset, settings: SimGclSettings, seed: int) -> Scorer:
    """Trains by BPR and InfoNCE between views with noise.

    Source: J. Yu et al., "Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for
    Recommendation", SIGIR 2022.

    Raises:
        DataError: the validation split, which decides when to stop, has no interactions.
    """
    return fit_graph(simgcl_loss, embed, dataset, settings, seed)


def embed(params: Params, inputs: GraphInputs, settings: SimGclSettings) -> jax.Array:
    """`mean_{l=1..L} A^l E`: LightGCN without the embeddings themselves, as in SimGCL."""
    nodes = propagate(inputs.adjacency, params["embedding"], settings.n_layers - 1)
    return _neighbor_sum(inputs, nodes)


def noisy_view(
    params: Params, inputs: GraphInputs, settings: SimGclSettings, key: jax.Array
) -> jax.Array:
    """`embed` with noise of a given norm, of the signs of the state, after each step."""
    state = params["embedding"]
    total = jnp.zeros_like(state)
    for layer_key in jax.random.split(key, settings.n_layers):
        state = _neighbor_sum(inputs, state)
        noise = normalize_rows(jax.random.uniform(layer_key, state.shape))
        state = state + settings.noise * jnp.sign(state) * noise
        total = total + state
    return total / settings.n_layers


def simgcl_loss(
    params: Params, inputs: GraphInputs, batch: Triplets, key: jax.Array, settings: SimGclSettings
) -> jax.Array:
    """BPR and L2 of a batch, and InfoNCE between two noisy views of its users and items."""
    first, second = (
        noisy_view(params, inputs, settings, view_key) for view_key in jax.random.split(key)
    )
    items = inputs.n_users + batch.positives
    contrasts = [
        infonce(first[rows], second[rows], counts, settings.temperature)
        for rows, counts in (distinct(batch.users, inputs.n_users), distinct(items, inputs.n_items))
    ]
    ranking = ranking_loss(embed(params, inputs, settings), params, inputs, batch, settings)
    return ranking + settings.contrast * sum(contrasts)


def _neighbor_sum(inputs: GraphInputs, x: jax.Array) -> jax.Array:
    """`A x`, from the mean of x and A x."""
    return 2 * propagate(inputs.adjacency, x, 1) - x
