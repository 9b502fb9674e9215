"""Training steps: many in one call on the devices, without returning to the host."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from symcere_jax.models import NODE_PARAMS, ModelInputs, SymCERE
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.devices import map_devices
from symcere_jax.training.objective import Objective
from symcere_jax.training.objective.shuffling import shuffled
from symcere_jax.training.train_inputs import TrainInputs

REFERENCE_BATCH_SIZE = 256  # the batch size that learning rates are given for
_B1, _B2, _EPS = 0.9, 0.999, 1e-8  # of Adam, at that batch size or a smaller one
_LEAST_B2 = 0.9  # the squares are those of ten steps, at least
# Interactions whose order is drawn by sorting, once a call. One core does that; of a million, it
# takes as long as a step.
_MAX_SORTED = 2**17


@flax.struct.dataclass
class TrainState:
    """What changes from step to step.

    Random numbers and the order of the data follow from the seed and `step`, so that nothing else
    has to be kept for a run to resume where it stopped.
    """

    step: jax.Array  # int32 scalar, steps done
    params: Any
    opt_state: Any
    average: Any  # moving average of the parameters, which is validated and kept


def build_optimizer(settings: ResolvedSettings, batch_size: int) -> optax.GradientTransformation:
    """Adam, with a learning rate each for embeddings, projection and scalars.

    With `k = batch_size / 256`, learning rates are those given times `√k`, and for k > 1

        β₁ = max(1 - k · 0.1, 0),  β₂ = max(1 - k · 0.001, 0.9),  ε = 1e-8 / √k:

    the averages of Adam reach as many interactions back as with a batch of 256, up to the limits.
    Without that, momentum would reach over ten steps, a sixth of an epoch of 64 steps, and squares
    over a thousand, which are many epochs.

    Source: Malladi et al., "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms",
    NeurIPS 2022 (the square root scaling rule); the limits of the averages are ours.
    """
    k = batch_size / REFERENCE_BATCH_SIZE
    scale = math.sqrt(k)
    more = max(k, 1.0)
    adam = functools.partial(
        optax.adam,
        b1=max(1 - more * (1 - _B1), 0.0),
        b2=max(1 - more * (1 - _B2), _LEAST_B2),
        eps=_EPS / math.sqrt(more),
    )

    def label(path: tuple, leaf: jax.Array) -> str:
        if path[0].key == NODE_PARAMS:
            return "embedding"
        return "scalar" if leaf.ndim == 0 else "projection"

    return optax.multi_transform(
        {
            "embedding": adam(scale * settings.embedding_learning_rate),
            "projection": adam(scale * settings.learning_rate),
            "scalar": adam(scale * settings.scalar_learning_rate),
        },
        lambda params: jax.tree_util.tree_map_with_path(label, params),
    )


def initial_state(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    inputs: TrainInputs,
    settings: ResolvedSettings,
) -> TrainState:
    """Parameters before the first step."""
    return _init(objective.model, optimizer)(np.uint32(settings.seed), inputs.model)


@functools.lru_cache(maxsize=4)
def _init(
    model: SymCERE, optimizer: optax.GradientTransformation
) -> Callable[[np.uint32, ModelInputs], TrainState]:
    def init(seed: jax.Array, inputs: ModelInputs) -> TrainState:
        params = model.init(jax.random.key(seed), inputs)["params"]
        return TrainState(jnp.int32(0), params, optimizer.init(params), params)

    return jax.jit(init)


def build_steps(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    settings: ResolvedSettings,
    *,
    batch_size: int,
    n_micro_batches: int,
    steps_per_epoch: int,
    n_steps: int,
    devices: Sequence[jax.Device] | None = None,
) -> jax.stages.Wrapped:
    """`n_steps` train steps as one function of all devices, compiled when it is first called.

    An epoch's order is a permutation of the interactions, drawn on the device from the seed and the
    number of the epoch; it starts over where the last batch of the epoch needs more.

    Args:
        objective: what is minimized.
        optimizer: how.
        settings: how the parameters are averaged.
        batch_size: interactions per step, over all devices; a multiple of their number times
            `n_micro_batches`.
        n_micro_batches: parts of a batch whose losses are computed one after another.
        steps_per_epoch: a multiple of `n_steps`.
        n_steps: steps of one call.
        devices: that run it; all there are, unless they are given.

    Returns:
        A function of the distributed state (see `devices.distribute`), whose buffers it takes over,
        the replicated inputs, and the seed (uint32) that decides data order, dropout and what is
        drawn. It returns the state `n_steps` later and each loss term `[n_devices, n_steps]`.
    """
    n_devices = len(devices) if devices else jax.device_count()
    kept_share = settings.parameter_average ** (1 / steps_per_epoch)

    def steps(
        state: TrainState, inputs: TrainInputs, seed: jax.Array
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        order_key, noise_key = jax.random.split(jax.random.key(seed))
        n_interactions = inputs.interactions.shape[0]
        epoch, first = jnp.divmod(state.step, steps_per_epoch)
        rows_at = _epoch_order(jax.random.fold_in(order_key, epoch), n_interactions)

        def step(state: TrainState, batch_index: jax.Array) -> tuple[TrainState, dict]:
            places = batch_index * batch_size + jnp.arange(batch_size)
            rows = rows_at(places % n_interactions)
            key = jax.random.fold_in(noise_key, state.step)
            gradients, terms = objective.gradients(
                state.params, inputs, rows, key, n_devices, n_micro_batches
            )
            updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
            params = optax.apply_updates(state.params, updates)
            average = optax.incremental_update(params, state.average, 1 - kept_share)
            return TrainState(state.step + 1, params, opt_state, average), terms

        return jax.lax.scan(step, state, first + jnp.arange(n_steps))

    # The seed is an argument, so that what is compiled for one serves all.
    return map_devices(steps, (0, 0, None), donate=0, devices=devices)


def _epoch_order(key: jax.Array, n_interactions: int) -> Callable[[jax.Array], jax.Array]:
    """A random order of the interactions: what gives the rows at some places of it."""
    if n_interactions > _MAX_SORTED:
        return lambda places: shuffled(key, places, n_interactions)
    order = jax.random.permutation(key, n_interactions)
    return lambda places: order[places]
