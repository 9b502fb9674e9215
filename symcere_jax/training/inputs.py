"""What training steps read: inputs of the model, interactions, histories."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.models import ModelInputs


@flax.struct.dataclass
class TrainInputs:
    """What a training step reads besides the state, the same at every step.

    Attributes:
        model: inputs of the model.
        interactions: int32 `[n, 2]`, the training pairs (user, item).
        history_start: int32 `[n_users + 1]`; user u has `history_items[start[u]:start[u + 1]]`.
        history_items: int32 `[n]`, training items of each user, ascending.
        max_history: the longest history.
    """

    model: ModelInputs
    interactions: jax.Array
    history_start: jax.Array
    history_items: jax.Array
    max_history: int = flax.struct.field(pytree_node=False)

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, model: ModelInputs) -> "TrainInputs":
        """Collects the training interactions of a prepared folder."""
        history = Interactions.from_pairs(dataset.train, dataset.n_users)
        return cls(
            model=model,
            interactions=jnp.asarray(dataset.train),
            history_start=jnp.asarray(history.indptr, jnp.int32),
            history_items=jnp.asarray(history.items),
            max_history=int(np.diff(history.indptr).max()),
        )

    def history(self, users: jax.Array, fill: int) -> jax.Array:
        """Training items of some users, as a rectangle.

        Args:
            users: int32 `[b]` user rows.
            fill: follows a user's last item.

        Returns:
            int32 `[b, max_history]`.
        """
        start, end = self.history_start[users, None], self.history_start[users + 1, None]
        places = start + jnp.arange(self.max_history)
        items = self.history_items[jnp.minimum(places, self.history_items.shape[0] - 1)]
        return jnp.where(places < end, items, fill)
