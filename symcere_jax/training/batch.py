"""The interactions of a step, and what is drawn for them."""

import flax.struct
import jax
import jax.numpy as jnp

from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.inputs import MAX_HISTORY, TrainInputs
from symcere_jax.training.shuffling import shuffled


@flax.struct.dataclass
class ItemCycle:
    """A random order of all items, from which the micro-batches of a step take candidates in turn.

    So no item competes twice in a micro-batch, and in a step each as often, give or take one.

    Attributes:
        items: int32 `[n_items]`.
        places: int32 `[n_items]`, of each item among them.
    """

    items: jax.Array
    places: jax.Array

    @classmethod
    def draw(cls, config: ResolvedSettings, n_items: int, key: jax.Array) -> "ItemCycle | None":
        """A cycle for a step; None where no items are drawn, or all would be."""
        sampled = config.ranking_loss != "bpr" and config.candidates == "sampled"
        if not sampled or config.sampled_candidates >= n_items:
            return None
        items = shuffled(jax.random.fold_in(key, 3), jnp.arange(n_items), n_items)
        return cls(items, jnp.zeros_like(items).at[items].set(jnp.arange(n_items)))

    def stretches(self, n: int, length: int) -> tuple[jax.Array, jax.Array]:
        """`n` stretches of the cycle, one after another.

        Returns:
            int32 `[n · length]` items, and int32 `[n]` place of the first item of each stretch.
        """
        n_items = self.items.shape[0]
        first = jnp.arange(n) * length % n_items
        places = (first[:, None] + jnp.arange(length)) % n_items
        return self.items[places].reshape(-1), first


@flax.struct.dataclass
class Batch:
    """Interactions, and what is drawn for them: the same on every device.

    Attributes:
        users: int32 `[b]` user rows.
        items: int32 `[b]` item rows.
        negatives: int32 `[b]`, an item drawn from all for each; None where no loss reads it.
        low_rated: int32 `[b]`, an item that the user rated low, `n_items` if there is none; None
            where no loss reads it.
        history_start: int32 `[b]`, where to begin to read a history that is too long to be read
            whole; None where none is.
        candidates: int32 `[n_micro_batches · c]`, the c items that compete in each micro-batch;
            None where they are not drawn.
        first_candidate: int32 `[n_micro_batches]`, place in the cycle of the first of them.
    """

    users: jax.Array
    items: jax.Array
    negatives: jax.Array | None
    low_rated: jax.Array | None
    history_start: jax.Array | None
    candidates: jax.Array | None
    first_candidate: jax.Array | None

    @classmethod
    def draw(
        cls,
        config: ResolvedSettings,
        inputs: TrainInputs,
        rows: jax.Array,
        key: jax.Array,
        cycle: ItemCycle | None = None,
        n_micro_batches: int = 1,
    ) -> "Batch":
        """Reads interactions and draws what goes with them.

        Args:
            config: which losses there are.
            inputs: interactions and lists of items.
            rows: int32 `[b]` rows of the interactions.
            key: of the random draws.
            cycle: what candidates come from.
            n_micro_batches: equal parts of the batch whose losses are taken one after another.
        """
        users, items = inputs.interactions[rows].T
        n_items = inputs.model.item_degree.shape[0]
        negatives = low_rated = history_start = None
        if config.ranking_loss == "bpr":
            negatives = jax.random.randint(key, rows.shape, 0, n_items)
        if config.low_rated_weight > 0:
            lists = inputs.low_rated
            n_low = lists.counts(users)
            low_key = jax.random.fold_in(key, 1)
            drawn = jax.random.randint(low_key, rows.shape, 0, jnp.maximum(n_low, 1))
            last = max(lists.items.shape[0] - 1, 0)
            low_rated = jnp.append(lists.items, 0)[jnp.minimum(lists.start[users] + drawn, last)]
            low_rated = jnp.where(n_low > 0, low_rated, n_items)
        if inputs.history.longest > MAX_HISTORY:
            history_key = jax.random.fold_in(key, 2)
            history_start = jax.random.randint(history_key, rows.shape, 0, inputs.history.longest)
        candidates = first_candidate = None
        if cycle is not None:
            candidates, first_candidate = cycle.stretches(
                n_micro_batches, config.sampled_candidates
            )
        return cls(users, items, negatives, low_rated, history_start, candidates, first_candidate)
