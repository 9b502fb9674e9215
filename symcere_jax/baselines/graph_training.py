"""Training that the graph models share: batches, Adam, early stopping on the validation split."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from symcere_jax.baselines.scorer import Scorer, training_items
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import SymcereError
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate
from symcere_jax.graph import Adjacency, bipartite_graph, build_adjacency
from symcere_jax.models import Factors, score_factors
from symcere_jax.training.user_items import UserItems

STEPS_PER_ROUND = 50  # at least, and whole epochs: then it is validated
MAX_ROUNDS = 200
PATIENCE = 10  # rounds without a gain
INITIAL_SCALE = 0.1  # of the embeddings, as in LightGCN's own code


def static(default: int) -> Any:
    """A field of settings that decides on shapes: another value is another compilation."""
    return dataclasses.field(default=default, metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GraphSettings:
    """Settings of every graph model. Numbers that decide on no shape are traced.

    Attributes:
        embedding_dim: width of the embeddings.
        n_layers: message passing steps.
        batch_size: interactions a step.
        learning_rate: of Adam.
        l2: weight of half the squared norms of a batch's embeddings, before message passing.
    """

    embedding_dim: int = static(64)
    n_layers: int = static(3)
    batch_size: int = static(1024)
    learning_rate: float = 1e-3
    l2: float = 1e-4


@flax.struct.dataclass
class GraphInputs:
    """What training reads, the same at every step.

    Attributes:
        adjacency: of users, then items; training interactions only.
        interactions: int32 `[n, 2]`, training pairs (user, item).
        histories: the same, by user.
        text: float32 `[n_users + n_items, width]`, rows of norm 1 or 0; None where it is not read.
    """

    adjacency: Adjacency
    interactions: jax.Array
    histories: UserItems
    text: jax.Array | None = None

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.histories.start.shape[0] - 1

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.adjacency.n_nodes - self.n_users

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, text: np.ndarray | None = None) -> "GraphInputs":
        """Builds the graph of a prepared folder's training split."""
        graph = bipartite_graph(dataset.train, dataset.n_users, dataset.n_items)
        return cls(
            adjacency=build_adjacency(graph),
            interactions=jnp.asarray(dataset.train),
            histories=training_items(dataset),
            text=None if text is None else jnp.asarray(text),
        )


class Triplets(NamedTuple):
    """Training interactions with a sampled item each.

    Attributes:
        users: int32 `[b]`.
        positives: int32 `[b]`, items that the users interacted with.
        negatives: int32 `[b]`, items that they did not interact with.
        keep: bool `[b]`, False where a user has interacted with every item.
    """

    users: jax.Array
    positives: jax.Array
    negatives: jax.Array
    keep: jax.Array


Params = dict[str, Any]
Loss = Callable[[Params, GraphInputs, Triplets, jax.Array, Any], jax.Array]
"""`loss(params, inputs, batch, key, settings) -> scalar`, a function of a module."""
Embed = Callable[[Params, GraphInputs, Any], jax.Array]
"""`embed(params, inputs, settings) -> [n_nodes, d]`: the embeddings to score with."""


def initial_embedding(inputs: GraphInputs, settings: GraphSettings, key: jax.Array) -> jax.Array:
    """Where learning starts, float32 `[n_nodes, embedding_dim]`."""
    shape = (inputs.adjacency.n_nodes, settings.embedding_dim)
    return INITIAL_SCALE * jax.random.normal(key, shape)


def train_graph(
    loss: Loss,
    embed: Embed,
    params: Params,
    inputs: GraphInputs,
    dataset: ReviewDataset,
    settings: GraphSettings,
    key: jax.Array,
) -> Scorer:
    """Trains until NDCG@10 on the validation split no longer grows; the best round is kept.

    Args:
        loss: what is minimised.
        embed: gives the embeddings of all nodes.
        params: where learning starts.
        inputs: what training reads.
        dataset: to validate on.
        settings: of the model.
        key: of batches and noise.

    Returns:
        A scorer by inner products.

    Raises:
        DataError: the validation split has no interactions.
        SymcereError: the loss is not finite.
    """
    steps_per_epoch = -(-len(dataset.train) // settings.batch_size)
    n_steps = steps_per_epoch * -(-STEPS_PER_ROUND // steps_per_epoch)
    state = (params, optax.scale_by_adam().init(params))
    best_score, best_round, best = -1.0, 0, score_params(embed, params, inputs, settings)
    for number in range(MAX_ROUNDS):
        round_key = jax.random.fold_in(key, number)
        state, mean_loss = _run_steps(loss, n_steps, state, inputs, settings, round_key)
        if not np.isfinite(mean_loss):
            raise SymcereError(f"the loss is not finite after {(number + 1) * n_steps} steps")
        factors = score_params(embed, state[0], inputs, settings)
        score = evaluate(score_factors, factors, dataset, "valid", ks=(10,)).metrics[PRIMARY_METRIC]
        if score > best_score:
            best_score, best_round, best = score, number, factors
        elif number - best_round >= PATIENCE:
            break
    return Scorer(score_factors, best)


@functools.partial(jax.jit, static_argnums=0)
def score_params(
    embed: Embed, params: Params, inputs: GraphInputs, settings: GraphSettings
) -> Factors:
    """Embeddings of users and items, to score with."""
    nodes = embed(params, inputs, settings)
    return Factors(nodes[: inputs.n_users], nodes[inputs.n_users :])


@functools.partial(jax.jit, static_argnums=(0, 1))
def _run_steps(
    loss: Loss,
    n_steps: int,
    state: tuple[Params, optax.OptState],
    inputs: GraphInputs,
    settings: GraphSettings,
    key: jax.Array,
) -> tuple[tuple[Params, optax.OptState], jax.Array]:
    """The state `n_steps` later, and the mean loss."""
    adam = optax.scale_by_adam()

    def step(state: tuple, key: jax.Array) -> tuple[tuple, jax.Array]:
        params, moments = state
        batch_key, noise_key = jax.random.split(key)
        batch = sample_triplets(inputs, settings.batch_size, batch_key)
        value, gradients = jax.value_and_grad(loss)(params, inputs, batch, noise_key, settings)
        updates, moments = adam.update(gradients, moments)
        params = jax.tree.map(lambda p, u: p - settings.learning_rate * u, params, updates)
        return (params, moments), value

    state, losses = jax.lax.scan(step, state, jax.random.split(key, n_steps))
    return state, losses.mean()


def sample_triplets(inputs: GraphInputs, batch_size: int, key: jax.Array) -> Triplets:
    """Draws interactions, and for each an item that its user has not interacted with, uniformly."""
    row_key, item_key = jax.random.split(key)
    n_interactions = inputs.interactions.shape[0]
    rows = jax.random.randint(row_key, (batch_size,), 0, n_interactions)
    users, positives = inputs.interactions[rows].T
    n_unknown = inputs.n_items - inputs.histories.counts(users)
    ranks = jax.random.randint(item_key, (batch_size,), 0, jnp.maximum(n_unknown, 1))
    negatives = unknown_item(inputs.histories, users, ranks, inputs.n_items)
    return Triplets(users, positives, jnp.minimum(negatives, inputs.n_items - 1), n_unknown > 0)


def unknown_item(
    histories: UserItems, users: jax.Array, ranks: jax.Array, n_items: int
) -> jax.Array:
    """The item of a given rank among those that a user has not interacted with, int32 `[b]`.

    No draw is rejected: with the history h_0 < h_1 < …, the unknown item of rank r is r plus the
    number of t with h_t − t ≤ r.

    Args:
        histories: of all users.
        users: int32 `[b]`.
        ranks: int32 `[b]`, from 0.
        n_items: size of the catalogue.
    """
    history = histories.padded(users, n_items + histories.longest)
    smaller = history - jnp.arange(histories.longest) <= ranks[:, None]
    return ranks + smaller.sum(axis=1)
