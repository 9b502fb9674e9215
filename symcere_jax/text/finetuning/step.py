"""The train step: reviews are pulled to their items, by symmetric SINCERE, on all local devices."""

import math
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from symcere_jax.losses import cross_modal_terms
from symcere_jax.text.finetuning.config import FinetuneConfig
from symcere_jax.text.language_models.checkpoint import Checkpoint
from symcere_jax.text.language_models.pooling import pool
from symcere_jax.training.devices import AXIS

_WARM_UP = 0.1  # share of the steps in which the learning rate rises
_WEIGHT_DECAY = 0.01
_GRADIENT_NORM = 1.0  # at most, over all trained parameters
_BLOCK_SIZE = 4096  # candidates whose logits are held at once

Step = Callable[..., tuple["State", jax.Array]]


@flax.struct.dataclass
class State:
    """What changes from step to step.

    Attributes:
        trained: parameters of the trained layers, by the name of the layer.
        optimizer: state of the optimiser.
    """

    trained: Any
    optimizer: Any


def build_optimizer(config: FinetuneConfig, n_steps: int) -> optax.GradientTransformation:
    """AdamW of clipped gradients, whose learning rate rises and falls linearly.

    Biases and norms do not decay.

    Args:
        config: the learning rate.
        n_steps: of the whole run.
    """
    n_rising = max(math.ceil(_WARM_UP * n_steps), 1)
    highest = config.learning_rate
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(highest / n_rising, highest, max(n_rising - 1, 1)),
            optax.linear_schedule(highest, 0.0, n_steps - n_rising + 1),
        ],
        [n_rising - 1],
    )
    return optax.chain(
        optax.clip_by_global_norm(_GRADIENT_NORM),
        optax.adamw(
            schedule,
            weight_decay=_WEIGHT_DECAY,
            mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree),
        ),
    )


def share_of_loss(
    checkpoint: Checkpoint,
    trained: Any,
    frozen: Any,
    tokens: jax.Array,
    lengths: jax.Array,
    item: jax.Array,
    item_vectors: jax.Array | None,
    temperature: float,
) -> jax.Array:
    """This device's share of the loss of a batch; the shares of all devices add up to it.

    Symmetric SINCERE between the vectors of reviews and those of their items, or of other reviews
    of the same items. Reviews of one item are never negatives of each other.

    Args:
        checkpoint: its module says how many layers are trained.
        trained: parameters of these layers.
        frozen: all other parameters.
        tokens: int32 `[n_views, b, length]`, this device's share of the batch.
        lengths: int32 `[n_views, b]`.
        item: int32 `[b]`.
        item_vectors: float32 `[n_items, width]`, rows of norm 1; None: the second view instead.
        temperature: of the loss.
    """
    n, length = tokens.shape[1:]
    hidden = checkpoint.module.apply(
        {"params": {**frozen, **trained}}, tokens.reshape(-1, length), lengths.reshape(-1)
    )
    pooled = pool(hidden, lengths.reshape(-1), checkpoint.sentence.pooling)
    vectors = pooled / jnp.linalg.norm(pooled, axis=1, keepdims=True)
    reviews = vectors[:n]
    others = vectors[n:] if item_vectors is None else item_vectors[item]
    everyone = [jax.lax.all_gather(x, AXIS, tiled=True) for x in (others, reviews, item)]
    total, count = cross_modal_terms(
        others,
        reviews,
        everyone[0],
        everyone[1],
        item,
        everyone[2],
        temperature,
        block_size=_BLOCK_SIZE,
    )
    return total / jax.lax.psum(count, AXIS)


def build_step(
    checkpoint: Checkpoint, optimizer: optax.GradientTransformation, temperature: float
) -> Step:
    """Compiles the train step for all local devices.

    Args:
        checkpoint: its module says how many layers are trained.
        optimizer: of the trained parameters.
        temperature: of the loss.

    Returns:
        Function of the state, whose buffers it takes over, the frozen parameters, tokens
        `[n_devices, n_views, b, length]`, lengths, items, and vectors of items or None; all but
        the batch are replicated. It returns the state after the step, and the loss `[n_devices]`.
    """

    def step(
        state: State,
        frozen: Any,
        tokens: jax.Array,
        lengths: jax.Array,
        item: jax.Array,
        item_vectors: jax.Array | None,
    ) -> tuple[State, jax.Array]:
        def loss(trained: Any) -> jax.Array:
            return share_of_loss(
                checkpoint, trained, frozen, tokens, lengths, item, item_vectors, temperature
            )

        value, gradients = jax.lax.psum(jax.value_and_grad(loss)(state.trained), AXIS)
        updates, changed = optimizer.update(gradients, state.optimizer, state.trained)
        return State(optax.apply_updates(state.trained, updates), changed), value

    return jax.pmap(step, axis_name=AXIS, donate_argnums=0)
