"""The interactions of a step, and what is drawn for them."""

import flax.struct
import jax
import jax.numpy as jnp

from symcere_jax.config import LossConfig
from symcere_jax.training.inputs import MAX_HISTORY, TrainInputs
from symcere_jax.training.shuffling import shuffled


@flax.struct.dataclass
class Batch:
    """Interactions, and what is drawn for each: the same on every device.

    Attributes:
        users: int32 `[b]` user rows.
        items: int32 `[b]` item rows.
        negatives: int32 `[b]`, an item drawn from all for each; None where no loss reads it.
        low_rated: int32 `[b]`, an item that the user rated low, `n_items` if there is none; None
            where no loss reads it.
        history_start: int32 `[b]`, where to begin to read a history that is too long to be read
            whole; None where none is.
    """

    users: jax.Array
    items: jax.Array
    negatives: jax.Array | None
    low_rated: jax.Array | None
    history_start: jax.Array | None

    @classmethod
    def draw(
        cls, config: LossConfig, inputs: TrainInputs, rows: jax.Array, key: jax.Array
    ) -> "Batch":
        """Reads interactions and draws what goes with them.

        Args:
            config: which losses there are.
            inputs: interactions and lists of items.
            rows: int32 `[b]` rows of the interactions.
            key: of the random draws.
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
        return cls(users, items, negatives, low_rated, history_start)


@flax.struct.dataclass
class Candidates:
    """The items that compete in every micro-batch of a step.

    Attributes:
        rows: int32 `[c]` item rows; None: all items.
        places: int32 `[n_items]`, where an item stands among the rows, c if nowhere; None: all
            items compete, each at its row.
    """

    rows: jax.Array | None
    places: jax.Array | None

    @classmethod
    def draw(cls, config: LossConfig, n_items: int, key: jax.Array) -> "Candidates":
        """Every item, or as many as the settings say, drawn without repeats."""
        n_drawn = config.sampled_candidates
        if config.candidates != "sampled" or n_drawn >= n_items:
            return cls(None, None)
        rows = shuffled(jax.random.fold_in(key, 3), jnp.arange(n_drawn), n_items)
        places = jnp.full(n_items, n_drawn, jnp.int32).at[rows].set(jnp.arange(n_drawn))
        return cls(rows, places)

    def places_of(self, items: jax.Array) -> jax.Array:
        """Where items stand among the candidates; behind the last one if nowhere.

        Args:
            items: int32, any shape; item rows, or any larger value.
        """
        if self.places is None:
            return items
        nowhere = self.rows.shape[0]  # type: ignore[union-attr]
        return self.places.at[items].get(mode="fill", fill_value=nowhere)
