"""A training problem without a prepared folder, for benchmarks of speed."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from symcere_jax.graph import bipartite_graph, build_adjacency
from symcere_jax.models import ModelInputs, SymCERE
from symcere_jax.settings import Settings
from symcere_jax.training.devices import AXIS, distribute, replicate
from symcere_jax.training.histories import Histories
from symcere_jax.training.inputs import TrainInputs
from symcere_jax.training.loop import fit_batch_size
from symcere_jax.training.objective import Objective
from symcere_jax.training.step import TrainState, build_optimizer, build_steps, initial_state

# What LightGCN trains: inner products, one sampled item, nothing taken out, no dropout.
LIGHTGCN = {
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


def train_inputs(interactions: np.ndarray) -> TrainInputs:
    """Graph and lists of int32 interactions `[n, 2]`, without text."""
    n_users, n_items = (int(n) + 1 for n in interactions.max(axis=0))
    degrees = [jnp.asarray(np.bincount(interactions[:, column]), jnp.float32) for column in (0, 1)]
    adjacency = build_adjacency(bipartite_graph(interactions, n_users, n_items))
    return TrainInputs(
        model=ModelInputs(adjacency, None, None, *degrees, *degrees),
        interactions=jnp.asarray(interactions),
        history=Histories.from_pairs(interactions, n_users),
        low_rated=Histories.from_pairs(interactions[:0], n_users),
    )


@dataclasses.dataclass(frozen=True)
class Training:
    """What trains a problem.

    Attributes:
        objective: what is minimised.
        optimizer: how.
        config: all settings.
        steps_per_epoch: of as many interactions as `run` takes in a step.
        run: some steps, see `build_steps`.
    """

    objective: Objective
    optimizer: optax.GradientTransformation
    config: Settings
    steps_per_epoch: int
    run: jax.stages.Wrapped

    def initial_state(self, inputs: TrainInputs) -> TrainState:
        """The state before the first step."""
        return initial_state(self.objective, self.optimizer, inputs, self.config)


def build(
    inputs: TrainInputs,
    batch_size: int,
    n_steps: int,
    devices: Sequence[jax.Device] | None = None,
    **settings: object,
) -> Training:
    """Training without text.

    Args:
        inputs: as `train_inputs` gives them.
        batch_size: interactions a step.
        n_steps: steps of a call; an epoch is a multiple of them, as it would be in training.
        devices: see `build_steps`.
        **settings: flat settings.
    """
    defaults = {"text_encoder": "none", "embedding_dim": 64, "embedding_learning_rate": 1e-3}
    defaults |= {"scalar_learning_rate": 1e-2, "exclude_target": "edge", "candidates": "sampled"}
    defaults |= {"temperature": 0.1, "user_ranking_weight": 0.0}
    config = Settings(**{**defaults, "batch_size": batch_size, **settings})
    n_users, n_items = inputs.model.user_degree.shape[0], inputs.model.item_degree.shape[0]
    objective = Objective(SymCERE(n_users, n_items, config), config)
    size, n_micro_batches = fit_batch_size(
        batch_size,
        config.micro_batch_size,
        len(inputs.interactions),
        len(devices) if devices else jax.device_count(),
    )
    steps_per_epoch = -(-len(inputs.interactions) // size)
    optimizer = build_optimizer(config, size)
    run = build_steps(
        objective,
        optimizer,
        config,
        batch_size=size,
        n_micro_batches=n_micro_batches,
        steps_per_epoch=-(-steps_per_epoch // n_steps) * n_steps,
        n_steps=n_steps,
        devices=devices,
    )
    return Training(objective, optimizer, config, steps_per_epoch, run)


def training(
    inputs: TrainInputs, batch_size: int, n_steps: int, **settings: object
) -> tuple[TrainState, Callable[[TrainState], TrainState], int]:
    """A run's first state, what makes some steps of it, and the steps of an epoch; see `build`."""
    built = build(inputs, batch_size, n_steps, **settings)
    columns = built.objective.model.shared(AXIS, jax.device_count()).held
    state = distribute(built.initial_state(inputs), columns)
    copies, seed = replicate(inputs), np.uint32(built.config.seed)

    def steps(state: TrainState) -> TrainState:
        state, _ = built.run(state, copies, seed)
        return jax.block_until_ready(state)

    return state, steps, built.steps_per_epoch
