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
from jax import Array

from symcere_jax.baselines.base import Baseline, Scorer, training_histories
from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.errors import SymcereError
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate
from symcere_jax.graph import Adjacency, bipartite_graph, build_adjacency
from symcere_jax.models import Factors, score_factors

STEPS_PER_ROUND = 50  # at least, and whole epochs: then it is validated
MAX_ROUNDS = 200
PATIENCE = 10  # rounds without a gain
INITIAL_SCALE = 0.1  # of the embeddings, as in LightGCN's own code


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
    interactions: Array
    histories: Histories
    text: Array | None = None

    @property
    def n_users(self) -> int:
        """Number of users, which is where the items start."""
        return self.adjacency.n_nodes - self.n_items

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.histories.n_items

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, text: np.ndarray | None = None) -> "GraphInputs":
        """Builds the graph of a prepared folder's training split."""
        graph = bipartite_graph(dataset.train, dataset.n_users, dataset.n_items)
        return cls(
            adjacency=build_adjacency(graph),
            interactions=jnp.asarray(dataset.train),
            histories=training_histories(dataset),
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

    users: Array
    positives: Array
    negatives: Array
    keep: Array


Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class GraphModel(Baseline):
    """A model that is trained by steps over a graph, and scores by inner products of nodes.

    Trained until validation NDCG@10 no longer grows; the best round is kept.
    """

    random = True
    embedding_dim: int = 64  # width of the embeddings
    n_layers: int = 3  # message passing steps
    batch_size: int = 1024  # interactions a step
    learning_rate: float = 1e-3  # of Adam

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        inputs = GraphInputs.from_dataset(dataset, self.text(dataset))
        init_key, train_key = jax.random.split(jax.random.key(seed))
        params = self.initial_params(inputs, init_key)
        steps_per_epoch = -(-len(dataset.train) // self.batch_size)
        n_steps = steps_per_epoch * -(-STEPS_PER_ROUND // steps_per_epoch)

        def run_round(state: Any, number: int) -> tuple[Any, Array]:
            return _run_steps(self, n_steps, state, inputs, jax.random.fold_in(train_key, number))

        start = (params, optax.adam(self.learning_rate).init(params))
        return train_rounds(
            start,
            run_round,
            lambda state: Scorer(score_factors, _node_factors(self, state[0], inputs)),
            dataset,
        )

    def text(self, dataset: ReviewDataset) -> np.ndarray | None:
        """Text features of users and items, if the model reads any."""
        return None

    def initial_params(self, inputs: GraphInputs, key: Array) -> Params:
        """By default "embedding", float32 `[n_nodes, embedding_dim]`."""
        shape = (inputs.adjacency.n_nodes, self.embedding_dim)
        return {"embedding": INITIAL_SCALE * jax.random.normal(key, shape)}

    def embed(self, params: Params, inputs: GraphInputs) -> Array:
        """The embeddings to score with, float32 `[n_nodes, d]`."""
        raise NotImplementedError

    def loss(self, params: Params, inputs: GraphInputs, batch: Triplets, key: Array) -> Array:
        """What a step minimizes, a scalar; `key` is for noise."""
        raise NotImplementedError


def train_rounds(
    state: Any,
    run_round: Callable[[Any, int], tuple[Any, Array]],
    scorer: Callable[[Any], Scorer],
    dataset: ReviewDataset,
) -> Scorer:
    """Trains round by round, and keeps the one that is best on the validation split.

    `run_round` makes of a state and the number of a round the next state and the mean loss.

    Raises:
        DataError: the validation split has no interactions.
        SymcereError: the loss is not finite.
    """
    best_score, best_round, best = -1.0, 0, scorer(state)
    for number in range(MAX_ROUNDS):
        state, mean_loss = run_round(state, number)
        if not np.isfinite(mean_loss):
            raise SymcereError(f"the loss is not finite in round {number + 1} of training")
        current = scorer(state)
        evaluation = evaluate(current.score_block, current.params, dataset, "valid", ks=(10,))
        if (score := evaluation.metrics[PRIMARY_METRIC]) > best_score:
            best_score, best_round, best = score, number, current
        elif number - best_round >= PATIENCE:
            break
    return best


@functools.partial(jax.jit, static_argnames="model")
def _node_factors(model: GraphModel, params: Params, inputs: GraphInputs) -> Factors:
    nodes = model.embed(params, inputs)
    return Factors(nodes[: inputs.n_users], nodes[inputs.n_users :])


@functools.partial(jax.jit, static_argnames=("model", "n_steps"))
def _run_steps(
    model: GraphModel,
    n_steps: int,
    state: tuple[Params, optax.OptState],
    inputs: GraphInputs,
    key: Array,
) -> tuple[tuple[Params, optax.OptState], Array]:
    """The state `n_steps` later, and the mean loss."""
    adam = optax.adam(model.learning_rate)

    def step(state: tuple, key: Array) -> tuple[tuple, Array]:
        params, moments = state
        batch_key, noise_key = jax.random.split(key)
        batch = sample_triplets(inputs, model.batch_size, batch_key)
        value, gradients = jax.value_and_grad(model.loss)(params, inputs, batch, noise_key)
        updates, moments = adam.update(gradients, moments)
        return (optax.apply_updates(params, updates), moments), value

    state, losses = jax.lax.scan(step, state, jax.random.split(key, n_steps))
    return state, losses.mean()


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
