"""AlphaRec: text features through a small network and the graph, without embeddings of ids."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.baselines.neural.graph_training import (
    GraphInputs,
    GraphSettings,
    Params,
    Triplets,
    fit_graph,
)
from symcere_jax.baselines.neural.text_aligned import TextProjection
from symcere_jax.baselines.scorer import Scorer, interaction_matrix
from symcere_jax.baselines.text_knn import first_encoder
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import setting
from symcere_jax.graph import propagate
from symcere_jax.models import normalize_rows


@dataclasses.dataclass(frozen=True)
class AlphaRecSettings(GraphSettings):
    """Settings of AlphaRec."""

    temperature: float = setting(0.15, "of the contrastive loss", above=0)

    SPACE: ClassVar[dict[str, tuple]] = {
        "embedding_dim": (64, 128, 256),
        "n_layers": (1, 2, 3),
        "batch_size": (512, 1024, 2048),
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "temperature": (0.05, 0.1, 0.15, 0.2, 0.3),
    }


def fit_alpha_rec(dataset: ReviewDataset, settings: AlphaRecSettings, seed: int) -> Scorer:
    """Trains a network over text features by InfoNCE against the items of the batch.

    The features of an item are those of the folder's first text encoder; the features of a user are
    the mean of the user's training items.

    Source: L. Sheng et al., "Language Representations Can be What Recommenders Need: Findings and
    Potentials", ICLR 2025. There a language model reads titles; negatives are drawn from all items.

    Raises:
        DataError: the folder has no text features, or no validation interactions, which decide
            when to stop.
    """
    items = unit_rows(dataset.text_features(first_encoder(dataset), "items"))
    counts = np.maximum(dataset.user_counts(), 1)[:, None]
    users = interaction_matrix(dataset) @ items / counts
    text = np.concatenate([users, items]).astype(np.float32)
    return fit_graph(
        alpha_rec_loss, embed, dataset, settings, seed, initial=_initial_params, text=text
    )


def _initial_params(inputs: GraphInputs, settings: AlphaRecSettings, key: jax.Array) -> Params:
    return {"network": TextProjection(settings.embedding_dim).init(key, inputs.text)["params"]}


def embed(params: Params, inputs: GraphInputs, settings: AlphaRecSettings) -> jax.Array:
    """`normalize(mean_{l=0..L} A^l f(R))`, float32 `[n_nodes, d]`."""
    network = TextProjection(settings.embedding_dim)
    features: Any = network.apply({"params": params["network"]}, inputs.text)
    return normalize_rows(propagate(inputs.adjacency, features, settings.n_layers))


def alpha_rec_loss(
    params: Params,
    inputs: GraphInputs,
    batch: Triplets,
    key: jax.Array,
    settings: AlphaRecSettings,
) -> jax.Array:
    """`mean −log( exp(s_ui/τ) / Σ_j exp(s_uj/τ) )` over the items j of the batch, s the cosine.

    Other occurrences of the positive are left out of the sum.
    """
    nodes = embed(params, inputs, settings)
    logits = nodes[batch.users] @ nodes[inputs.n_users + batch.positives].T / settings.temperature
    own = jnp.eye(len(batch.users), dtype=bool)
    counted = own | (batch.positives[:, None] != batch.positives)
    mass = jax.nn.logsumexp(logits, axis=1, where=counted)
    return jnp.mean(mass - jnp.diagonal(logits))
