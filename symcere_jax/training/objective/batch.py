"""The interactions of a step, and the candidates that are drawn for its micro-batches."""

import flax.struct
import jax
import jax.numpy as jnp

from symcere_jax.training.objective.shuffling import shuffled
from symcere_jax.training.train_inputs import MAX_HISTORY, TrainInputs


@flax.struct.dataclass
class Batch:
    """Interactions, the same on every device."""

    rows: jax.Array  # int32 `[b]`, of the interactions among all of them
    users: jax.Array  # int32 `[b]` user rows
    items: jax.Array  # int32 `[b]` item rows
    # int32 `[b]`, the item at which to start reading a history that is too long to be read whole.
    history_start: jax.Array
    # int32 `[n_micro_batches · c]`, places in the batch of the first c interactions of each
    # micro-batch, which the cross-modal and intra-modal losses compare.
    compared: jax.Array

    @classmethod
    def draw(
        cls,
        inputs: TrainInputs,
        rows: jax.Array,
        key: jax.Array,
        n_compared: int,
        n_micro_batches: int = 1,
    ) -> "Batch":
        """Reads the interactions at some rows."""
        users, items = inputs.interactions[rows].T
        start = jnp.zeros_like(users)
        if inputs.history.longest > MAX_HISTORY:
            key = jax.random.fold_in(key, 2)
            start = jax.random.randint(key, rows.shape, 0, inputs.history.longest)
        starts = jnp.arange(n_micro_batches) * (rows.shape[0] // n_micro_batches)
        compared = (starts[:, None] + jnp.arange(n_compared)).reshape(-1)
        return cls(rows, users, items, start, compared)


def draw_candidates(
    n_items: int, key: jax.Array, n_micro_batches: int, n_candidates: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Candidates of the micro-batches of a step: stretches of a random cycle of all items in turn.

    So no item competes twice in a micro-batch, and in a step each as often, give or take once.

    Returns:
        int32 `[n_micro_batches · n_candidates]` items, int32 `[n_micro_batches]` the place of each
        stretch in the cycle, and int32 `[n_items]` the place of each item.
    """
    cycle = shuffled(jax.random.fold_in(key, 3), jnp.arange(n_items), n_items)
    first = jnp.arange(n_micro_batches) * n_candidates % n_items
    drawn = (first[:, None] + jnp.arange(n_candidates)) % n_items
    places = jnp.zeros_like(cycle).at[cycle].set(jnp.arange(n_items))
    return cycle[drawn].reshape(-1), first, places
