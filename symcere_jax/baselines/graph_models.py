"""LightGCN, SimGCL, LightGCN aligned with text, and AlphaRec."""

import dataclasses
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from symcere_jax.arrays import unit_rows
from symcere_jax.baselines.base import interaction_matrix, text_features
from symcere_jax.baselines.graph_training import GraphInputs, GraphModel, Triplets
from symcere_jax.baselines.step_training import Params
from symcere_jax.data import ReviewDataset
from symcere_jax.graph import propagate
from symcere_jax.losses import bpr_terms, pair_scores
from symcere_jax.models import normalize_rows

# Of the models that add a contrast to LightGCN.
_SPACE = {"n_layers": (2, 3), "batch_size": (512, 2048), "learning_rate": (3e-4, 1e-3, 3e-3)}


@dataclasses.dataclass(frozen=True)
class LightGcn(GraphModel):
    """LightGCN: free embeddings, message passing, BPR.

    Source: X. He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for
    Recommendation", SIGIR 2020.
    """

    title = "LightGCN, BPR"
    space: ClassVar = {
        "n_layers": (2, 3, 4),
        "batch_size": (512, 2048),
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "l2": (1e-5, 1e-4, 1e-3, 1e-2),
    }
    l2: float = 1e-4  # weight of half the squared norms of a batch's rows

    def embed(self, params: Params, inputs: GraphInputs) -> Array:
        # z = mean_{l=0..L} A^l E
        return propagate(inputs.adjacency, params["embedding"], self.n_layers)

    def loss(self, params: Params, inputs: GraphInputs, batch: Triplets, key: Array) -> Array:
        return self.ranking_loss(self.embed(params, inputs), params, inputs, batch)

    def ranking_loss(
        self, nodes: Array, params: Params, inputs: GraphInputs, batch: Triplets
    ) -> Array:
        """`mean −log σ(z_u · z_i − z_u · z_j) + l2/2 · mean (‖e_u‖² + ‖e_i‖² + ‖e_j‖²)`.

        Of users u, items i and sampled items j; z are the nodes after message passing, e before it.
        """
        rows = [batch.users, inputs.n_users + batch.positives, inputs.n_users + batch.negatives]
        users, positives, negatives = (nodes[row] for row in rows)
        total, count = bpr_terms(
            pair_scores(users, positives, 1.0), pair_scores(users, negatives, 1.0), batch.keep
        )
        squares = sum(jnp.square(params["embedding"][row]).sum() for row in rows)
        return total / jnp.maximum(count, 1) + self.l2 / 2 * squares / len(batch.users)


@dataclasses.dataclass(frozen=True)
class SimGcl(LightGcn):
    """SimGCL: LightGCN with a contrast of two noisy views of its embeddings.

    Source: J. Yu et al., "Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for
    Recommendation", SIGIR 2022.
    """

    title = "SimGCL"
    space: ClassVar = {
        **_SPACE,
        "contrast": (0.003, 0.01, 0.03, 0.1, 0.3),
        "noise": (0.05, 0.1, 0.2),
        "temperature": (0.1, 0.2, 0.5),
    }
    contrast: float = 0.1  # weight of the contrastive loss
    noise: float = 0.1  # norm of the noise that each step adds
    temperature: float = 0.2  # of the contrastive loss

    def embed(self, params: Params, inputs: GraphInputs) -> Array:
        """`mean_{l=1..L} A^l E`: LightGCN without the embeddings themselves."""
        nodes = propagate(inputs.adjacency, params["embedding"], self.n_layers - 1)
        return _neighbor_sum(inputs, nodes)

    def noisy_view(self, params: Params, inputs: GraphInputs, key: Array) -> Array:
        """`embed` with noise of a given norm, of the signs of the state, after each step."""
        state = params["embedding"]
        total = jnp.zeros_like(state)
        for layer_key in jax.random.split(key, self.n_layers):
            state = _neighbor_sum(inputs, state)
            noise = normalize_rows(jax.random.uniform(layer_key, state.shape))
            state = state + self.noise * jnp.sign(state) * noise
            total = total + state
        return total / self.n_layers

    def loss(self, params: Params, inputs: GraphInputs, batch: Triplets, key: Array) -> Array:
        """The ranking loss, and InfoNCE between two noisy views of the users and items."""
        first, second = (self.noisy_view(params, inputs, each) for each in jax.random.split(key))
        contrasts = [
            infonce(first[rows], second[rows], counts, self.temperature)
            for rows, counts in _distinct_nodes(inputs, batch)
        ]
        ranking = self.ranking_loss(self.embed(params, inputs), params, inputs, batch)
        return ranking + self.contrast * sum(contrasts)


class TextProjection(nn.Module):
    """Text features to the width of the embeddings: a hidden layer halfway between both widths."""

    width: int

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Projects `[b, text width]` to `[b, width]`."""
        hidden = nn.Dense((features.shape[1] + self.width) // 2)(features)
        return nn.Dense(self.width)(nn.leaky_relu(hidden))


@dataclasses.dataclass(frozen=True)
class TextAligned(LightGcn):
    """LightGCN aligned with text by contrast, in the manner of RLMRec's contrastive variant.

    Source: X. Ren et al., "Representation Learning with Large Language Models for Recommendation",
    WWW 2024. There texts are profiles that a language model wrote, and all users and items are
    candidates; here they are reviews, and candidates are those of the batch.
    """

    title = "LightGCN, text-aligned"
    space: ClassVar = {
        **_SPACE,
        "alignment": (0.01, 0.03, 0.1, 0.3, 1.0),
        "temperature": (0.1, 0.2, 0.5),
    }
    alignment: float = 0.1  # weight of the contrastive loss
    temperature: float = 0.2  # of the contrastive loss

    def text(self, dataset: ReviewDataset) -> np.ndarray:
        return np.concatenate([unit_rows(text_features(dataset, s)) for s in ("users", "items")])

    def initial_params(self, inputs: GraphInputs, key: Array) -> Params:
        embedding_key, text_key = jax.random.split(key)
        projection = TextProjection(self.embedding_dim).init(text_key, inputs.text)
        embedding = super().initial_params(inputs, embedding_key)
        return embedding | {"projection": projection["params"]}

    def loss(self, params: Params, inputs: GraphInputs, batch: Triplets, key: Array) -> Array:
        """The ranking loss, and InfoNCE of the users and items with their texts."""
        nodes = self.embed(params, inputs)
        project = TextProjection(self.embedding_dim)
        alignments = []
        for rows, counts in _distinct_nodes(inputs, batch):
            features = inputs.text[rows]  # type: ignore[index]
            text: Any = project.apply({"params": params["projection"]}, features)
            alignments.append(infonce(nodes[rows], text, counts, self.temperature))
        ranking = self.ranking_loss(nodes, params, inputs, batch)
        return ranking + self.alignment * sum(alignments)


@dataclasses.dataclass(frozen=True)
class AlphaRec(GraphModel):
    """AlphaRec: text features through a small network and the graph, without embeddings of ids.

    Source: L. Sheng et al., "Language Representations Can be What Recommenders Need: Findings and
    Potentials", ICLR 2025. There a language model reads titles; negatives are drawn from all items.
    """

    title = "AlphaRec"
    space: ClassVar = {
        "embedding_dim": (64, 128, 256),
        "n_layers": (1, 2, 3),
        "batch_size": (512, 1024, 2048),
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "temperature": (0.05, 0.1, 0.15, 0.2, 0.3),
    }
    temperature: float = 0.15  # of the contrastive loss

    def text(self, dataset: ReviewDataset) -> np.ndarray:
        """Item features by the folder's first text encoder; of a user, the mean of the items'."""
        items = unit_rows(text_features(dataset, "items"))
        counts = np.maximum(dataset.user_counts(), 1)[:, None]
        users = interaction_matrix(dataset) @ items / counts
        return np.concatenate([users, items]).astype(np.float32)

    def initial_params(self, inputs: GraphInputs, key: Array) -> Params:
        return {"network": TextProjection(self.embedding_dim).init(key, inputs.text)["params"]}

    def embed(self, params: Params, inputs: GraphInputs) -> Array:
        """`normalize(mean_{l=0..L} A^l f(R))`."""
        network = TextProjection(self.embedding_dim)
        features: Any = network.apply({"params": params["network"]}, inputs.text)
        return normalize_rows(propagate(inputs.adjacency, features, self.n_layers))

    def loss(self, params: Params, inputs: GraphInputs, batch: Triplets, key: Array) -> Array:
        """`mean −log( exp(s_ui/τ) / Σ_j exp(s_uj/τ) )` over the items j of the batch, s the cosine.

        Other occurrences of the positive are left out of the sum.
        """
        nodes = self.embed(params, inputs)
        items = nodes[inputs.n_users + batch.positives]
        logits = nodes[batch.users] @ items.T / self.temperature
        own = jnp.eye(len(batch.users), dtype=bool)
        counted = own | (batch.positives[:, None] != batch.positives)
        mass = jax.nn.logsumexp(logits, axis=1, where=counted)
        return jnp.mean(mass - jnp.diagonal(logits))


def _neighbor_sum(inputs: GraphInputs, x: Array) -> Array:
    """`A x`, from the mean of x and A x."""
    return 2 * propagate(inputs.adjacency, x, 1) - x


def _distinct_nodes(
    inputs: GraphInputs, batch: Triplets
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The distinct users and the distinct items of a batch, as nodes; see `distinct`."""
    items = inputs.n_users + batch.positives
    return distinct(batch.users, inputs.n_users), distinct(items, inputs.n_items)


def distinct(rows: Array, n_rows: int) -> tuple[Array, Array]:
    """The distinct ones of b rows, out of `n_rows` possible ones, in an array of fixed size.

    Returns:
        int32 `[min(b, n_rows)]`, ascending, padded with repeats of the smallest one; and bool of
        the same shape, False for the padding.
    """
    size = min(len(rows), n_rows)
    unique = jnp.unique(rows, size=size)
    return unique, jnp.append(True, unique[1:] > unique[:-1])


def infonce(anchors: Array, candidates: Array, counts: Array, temperature: Array | float) -> Array:
    """`mean_a −log( exp(s_aa/τ) / Σ_b exp(s_ab/τ) )`, with s the cosine of `[n, d]` views.

    `counts`, bool `[n]`, tells which rows are anchors and candidates.
    """
    logits = normalize_rows(anchors) @ normalize_rows(candidates).T / temperature
    mass = jax.nn.logsumexp(logits, axis=1, where=counts)
    return jnp.mean(mass - jnp.diagonal(logits), where=counts)
