"""The interactions of a step, and the candidates that are drawn for its micro-batches."""

import flax.struct
import jax
import jax.numpy as jnp

from symcere_jax.training.objective.shuffling import shuffled
from symcere_jax.training.train_inputs import MAX_HISTORY, TrainInputs


@flax.struct.dataclass
class Batch:
    """Interactions, the same on every device.

    Attributes:
        rows: int32 `[b]`, of the interactions among all of them.
        users: int32 `[b]` user rows.
        items: int32 `[b]` item rows.
        history_start: int32 `[b]`, the item at which to start reading a history that is too long
            to be read whole.
        compared: int32 `[n_micro_batches · c]`, places in the batch of the first c interactions of
            each micro-batch, which the cross-modal and intra-modal losses compare.
    """

    rows: jax.Array
    users: jax.Array
    items: jax.Array
    history_start: jax.Array
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


@flax.struct.dataclass
class ItemCycle:
    """A random order of all items, from which the micro-batches of a step take candidates in turn.

    So no item competes twice in a micro-batch, and in a step each as often, give or take once.

    Attributes:
        items: int32 `[n_items]`.
        places: int32 `[n_items]`, the place of each item among them.
    """

    items: jax.Array
    places: jax.Array

    @classmethod
    def draw(cls, n_items: int, key: jax.Array) -> "ItemCycle":
        """A cycle for a step."""
        items = shuffled(jax.random.fold_in(key, 3), jnp.arange(n_items), n_items)
        return cls(items, jnp.zeros_like(items).at[items].set(jnp.arange(n_items)))

    def stretches(self, n: int, length: int) -> tuple[jax.Array, jax.Array]:
        """`n` stretches of the cycle, one after another.

        Returns:
            int32 `[n · length]` items, and int32 `[n]` the place of each stretch's first item.
        """
        n_items = self.items.shape[0]
        first = jnp.arange(n) * length % n_items
        places = (first[:, None] + jnp.arange(length)) % n_items
        return self.items[places].reshape(-1), first
