"""LightGCN: free embeddings, message passing, BPR."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from symcere_jax.baselines.neural.graph_training import (
    GraphInputs,
    GraphSettings,
    Params,
    Triplets,
    fit_graph,
)
from symcere_jax.baselines.scorer import Scorer
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import setting
from symcere_jax.graph import propagate
from symcere_jax.losses import bpr_terms, pair_scores


@dataclasses.dataclass(frozen=True)
class RankingSettings(GraphSettings):
    """Settings of every graph model that learns embeddings by BPR."""

    l2: float = setting(1e-4, "weight of half the squared norms of a batch's rows", minimum=0)


@dataclasses.dataclass(frozen=True)
class LightGcnSettings(RankingSettings):
    """Settings of LightGCN."""

    SPACE: ClassVar[dict[str, tuple]] = {
        "n_layers": (2, 3, 4),
        "batch_size": (512, 2048),
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "l2": (1e-5, 1e-4, 1e-3, 1e-2),
    }


def fit_lightgcn(dataset: ReviewDataset, settings: LightGcnSettings, seed: int) -> Scorer:
    """Trains `z = mean_{l=0..L} A^l E` by BPR.

    Source: X. He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for
    Recommendation", SIGIR 2020.

    Raises:
        DataError: the validation split, which decides when to stop, has no interactions.
    """
    return fit_graph(lightgcn_loss, embed, dataset, settings, seed)


def embed(params: Params, inputs: GraphInputs, settings: GraphSettings) -> jax.Array:
    """`mean_{l=0..L} A^l E`, float32 `[n_nodes, d]`."""
    return propagate(inputs.adjacency, params["embedding"], settings.n_layers)


def lightgcn_loss(
    params: Params, inputs: GraphInputs, batch: Triplets, key: jax.Array, settings: RankingSettings
) -> jax.Array:
    """BPR and L2 of a batch."""
    return ranking_loss(embed(params, inputs, settings), params, inputs, batch, settings)


def ranking_loss(
    nodes: jax.Array,
    params: Params,
    inputs: GraphInputs,
    batch: Triplets,
    settings: RankingSettings,
) -> jax.Array:
    """`mean −log σ(z_u · z_i − z_u · z_j) + l2/2 · mean (‖e_u‖² + ‖e_i‖² + ‖e_j‖²)`.

    Args:
        nodes: float `[n_nodes, d]`, z, after message passing.
        params: "embedding": e, before it.
        inputs: says where the items start.
        batch: users u, items i, sampled items j.
        settings: the weight of L2.
    """
    rows = [batch.users, inputs.n_users + batch.positives, inputs.n_users + batch.negatives]
    users, positives, negatives = (nodes[row] for row in rows)
    total, count = bpr_terms(
        pair_scores(users, positives, 1.0), pair_scores(users, negatives, 1.0), batch.keep
    )
    squares = sum(jnp.square(params["embedding"][row]).sum() for row in rows)
    return total / jnp.maximum(count, 1) + settings.l2 / 2 * squares / len(batch.users)
