"""A training problem without a prepared folder, for benchmarks of speed."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from symcere_jax.data import Histories
from symcere_jax.graph import Adjacency, bipartite_graph, build_adjacency, propagate
from symcere_jax.models import ModelInputs, SymCERE
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.devices import distribute, replicate
from symcere_jax.training.objective import Objective
from symcere_jax.training.run import fit_batch_size
from symcere_jax.training.step import TrainState, build_optimizer, build_steps, initial_state
from symcere_jax.training.train_inputs import TrainInputs

# What LightGCN trains: inner products, one sampled item, nothing taken out, no dropout.
LIGHTGCN: dict[str, Any] = {
    "ranking_loss": "bpr",
    "false_negatives": "none",
    "normalize": False,
    "popularity_prior": False,
    "exclude_target": "none",
    "user_ranking_weight": 0.0,
    "temperature": 1.0,
    "dropout": 0.0,
    "parameter_average": 0.0,
}
# The defaults without text, as `models.resolve` would choose them for a large data set.
DEFAULTS: dict[str, Any] = {
    "experts": "graph",
    "text_encoder": "none",
    "embedding_dim": 64,
    "embedding_learning_rate": 1e-3,
    "scalar_learning_rate": 1e-2,
    "exclude_target": "edge",
    "candidates": "sampled",
    "temperature": 0.1,
    "user_ranking_weight": 0.0,
}


def message_passing(
    adjacency: Adjacency, states: np.ndarray, n_layers: int
) -> Callable[[], jax.Array]:
    """Message passing, forward and backward: the gradient of the sum of squares."""

    @jax.jit
    def gradient(adjacency: Adjacency, states: jax.Array) -> jax.Array:
        return jax.grad(lambda x: (propagate(adjacency, x, n_layers) ** 2).sum())(states)

    states = jnp.asarray(states)
    return lambda: gradient(adjacency, states).block_until_ready()


def train_inputs(interactions: np.ndarray) -> TrainInputs:
    """Graph and lists of int32 interactions `[n, 2]`, without text."""
    n_users, n_items = (int(n) + 1 for n in interactions.max(axis=0))
    degrees = [jnp.asarray(np.bincount(interactions[:, column]), jnp.float32) for column in (0, 1)]
    adjacency = build_adjacency(bipartite_graph(interactions, n_users, n_items))
    return TrainInputs(
        model=ModelInputs(adjacency, None, None, *degrees, *degrees),
        interactions=jnp.asarray(interactions),
        history=Histories.from_pairs(interactions, n_users, n_items),
    )


@dataclasses.dataclass(frozen=True)
class Training:
    """Training steps on a problem.

    Attributes:
        inputs: the problem.
        objective: what is minimized.
        optimizer: of the parameters.
        settings: all of them.
        steps_per_epoch: of as many interactions as `run` takes in a step.
        run: the steps of a call, see `build_steps`.
    """

    inputs: TrainInputs
    objective: Objective
    optimizer: optax.GradientTransformation
    settings: ResolvedSettings
    steps_per_epoch: int
    run: jax.stages.Wrapped

    def arguments(self) -> tuple[Any, ...]:
        """Of `run`: the state before the first step, the inputs, the seed."""
        state = initial_state(self.objective, self.optimizer, self.inputs, self.settings)
        seed = np.uint32(self.settings.seed)
        return distribute(state, self.settings.embedding_dim), replicate(self.inputs), seed

    def start(self) -> Callable[[], TrainState]:
        """What takes the steps of a call, each time from where the last call ended."""
        state, *others = self.arguments()

        def advance() -> TrainState:
            nonlocal state
            state, _ = self.run(state, *others)
            return jax.block_until_ready(state)

        return advance


def build(
    inputs: TrainInputs,
    batch_size: int,
    n_steps: int,
    devices: Sequence[jax.Device] | None = None,
    **settings: Any,
) -> Training:
    """Training without text.

    Args:
        inputs: as `train_inputs` gives them.
        batch_size: interactions a step.
        n_steps: steps of a call; an epoch is a multiple of them, as it would be in training.
        devices: see `build_steps`.
        **settings: that differ from `DEFAULTS`.
    """
    chosen = ResolvedSettings(**{**DEFAULTS, "batch_size": batch_size, **settings})
    n_users, n_items = inputs.model.user_degree.shape[0], inputs.model.item_degree.shape[0]
    objective = Objective(SymCERE(n_users, n_items, chosen))
    n_devices = len(devices) if devices else jax.device_count()
    n_interactions = len(inputs.interactions)
    size, n_micro_batches = fit_batch_size(
        batch_size, chosen.micro_batch_size, n_interactions, n_devices
    )
    steps_per_epoch = -(-n_interactions // size)
    optimizer = build_optimizer(chosen, size)
    run = build_steps(
        objective,
        optimizer,
        chosen,
        batch_size=size,
        n_micro_batches=n_micro_batches,
        steps_per_epoch=-(-steps_per_epoch // n_steps) * n_steps,
        n_steps=n_steps,
        devices=devices,
    )
    return Training(inputs, objective, optimizer, chosen, steps_per_epoch, run)
