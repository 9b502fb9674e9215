"""What the graph models share: the graph, triplets, node embeddings."""

import abc
import dataclasses
import functools
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from symcere_jax.baselines.base import Scorer, training_histories
from symcere_jax.baselines.step_training import STEPS_PER_ROUND, Params, StepModel
from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.graph import Adjacency, bipartite_graph, build_adjacency
from symcere_jax.models import Factors, score_factors

INITIAL_SCALE = 0.1  # of the embeddings, as in LightGCN's own code


@flax.struct.dataclass
class GraphInputs:
    """What training reads, the same at every step."""

    adjacency: Adjacency  # of users, then items
    interactions: Array  # int32 [n, 2], training pairs (user, item)
    histories: Histories  # the same, by user
    # float32 [n_users + n_items, width], rows of norm 1 or 0; None where it is not read.
    text: Array | None = None

    @property
    def n_users(self) -> int:
        return self.adjacency.n_nodes - self.n_items

    @property
    def n_items(self) -> int:
        return self.histories.n_items


class Triplets(NamedTuple):
    """Training interactions with a sampled item each; arrays `[b]`."""

    users: Array
    positives: Array
    negatives: Array  # items that the users did not interact with
    keep: Array  # False where a user has interacted with every item


@dataclasses.dataclass(frozen=True)
class GraphModel(StepModel):
    """A model over the graph, which scores by inner products of nodes."""

    embedding_dim: int = 64  # width of the embeddings
    n_layers: int = 3  # message passing steps

    def inputs(self, dataset: ReviewDataset) -> GraphInputs:
        text = self.text(dataset)
        graph = bipartite_graph(dataset.train, dataset.n_users, dataset.n_items)
        return GraphInputs(
            adjacency=build_adjacency(graph),
            interactions=jnp.asarray(dataset.train),
            histories=training_histories(dataset),
            text=None if text is None else jnp.asarray(text),
        )

    def text(self, dataset: ReviewDataset) -> np.ndarray | None:
        """Text features of users and items, if the model reads any."""
        return None

    def initial_params(self, inputs: GraphInputs, key: Array) -> Params:
        """By default "embedding", float32 `[n_nodes, embedding_dim]`."""
        shape = (inputs.adjacency.n_nodes, self.embedding_dim)
        return {"embedding": INITIAL_SCALE * jax.random.normal(key, shape)}

    def steps_per_round(self, dataset: ReviewDataset) -> int:
        """Whole epochs."""
        steps_per_epoch = -(-len(dataset.train) // self.batch_size)
        return steps_per_epoch * -(-STEPS_PER_ROUND // steps_per_epoch)

    def sample(self, inputs: GraphInputs, key: Array) -> Triplets:
        return sample_triplets(inputs, self.batch_size, key)

    @abc.abstractmethod
    def embed(self, params: Params, inputs: GraphInputs) -> Array:
        """The embeddings to score with, float32 `[n_nodes, d]`."""

    def scorer(self, params: Params, inputs: GraphInputs) -> Scorer:
        return Scorer(score_factors, _node_factors(self, params, inputs))


@functools.partial(jax.jit, static_argnames="model")
def _node_factors(model: GraphModel, params: Params, inputs: GraphInputs) -> Factors:
    nodes = model.embed(params, inputs)
    return Factors(nodes[: inputs.n_users], nodes[inputs.n_users :])


def sample_triplets(inputs: GraphInputs, batch_size: int, key: Array) -> Triplets:
    """Draws interactions, and for each an item that its user has not interacted with, uniformly."""
    row_key, item_key = jax.random.split(key)
    rows = jax.random.randint(row_key, (batch_size,), 0, len(inputs.interactions))
    users, positives = inputs.interactions[rows].T
    n_unknown = inputs.n_items - inputs.histories.counts(users)
    ranks = jax.random.randint(item_key, (batch_size,), 0, jnp.maximum(n_unknown, 1))
    negatives = jnp.minimum(unknown_item(inputs.histories, users, ranks), inputs.n_items - 1)
    return Triplets(users, positives, negatives, n_unknown > 0)


def unknown_item(histories: Histories, users: Array, ranks: Array) -> Array:
    """The item of a given rank, from 0, among those a user has not interacted with, int32 `[b]`.

    No draw is rejected: with the history h_0 < h_1 < …, the unknown item of rank r is r plus the
    number of t with h_t − t ≤ r.
    """
    history = histories.padded(users, histories.n_items + histories.longest)
    smaller = history - jnp.arange(histories.longest) <= ranks[:, None]
    return ranks + smaller.sum(axis=1)
