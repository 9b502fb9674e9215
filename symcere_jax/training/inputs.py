"""What training steps read: inputs of the model, interactions, histories, review texts."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.config import Config
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.models import ModelInputs
from symcere_jax.models.symcere import unit_rows

MAX_HISTORY = 1024  # items of a user that are read at once


@flax.struct.dataclass
class UserItems:
    """Some items of each user, as one list.

    Attributes:
        start: int32 `[n_users + 1]`; user u has `items[start[u]:start[u + 1]]`.
        items: int32 `[n]`, items of each user, ascending.
        longest: the most items of a user.
    """

    start: jax.Array
    items: jax.Array
    longest: int = flax.struct.field(pytree_node=False)

    @classmethod
    def from_pairs(cls, pairs: np.ndarray, n_users: int) -> "UserItems":
        """Collects int32 pairs `[n, 2]` (user, item)."""
        lists = Interactions.from_pairs(pairs, n_users)
        return cls(
            start=jnp.asarray(lists.indptr, jnp.int32),
            items=jnp.asarray(lists.items),
            longest=int(np.diff(lists.indptr).max(initial=0)),
        )

    def of(self, users: jax.Array, fill: int, first: jax.Array | None = None) -> jax.Array:
        """Items of some users, as a rectangle; of a user with more than 1,024, as many of them.

        Args:
            users: int32 `[b]` user rows.
            fill: follows a user's last item.
            first: int32 `[b]`, how many items to leave out at the start of a list; they follow at
                its end, as far as there is room. None: none.

        Returns:
            int32 `[b, min(longest, 1024)]`.
        """
        if self.longest == 0:
            return jnp.zeros((users.shape[0], 0), jnp.int32)
        start, end = self.start[users, None], self.start[users + 1, None]
        ranks = jnp.arange(min(self.longest, MAX_HISTORY))
        places = start + ranks
        if first is not None:
            places = start + (ranks + first[:, None]) % jnp.maximum(end - start, 1)
        items = self.items[jnp.minimum(places, self.items.shape[0] - 1)]
        return jnp.where(start + ranks < end, items, fill)


@flax.struct.dataclass
class TrainInputs:
    """What a training step reads besides the state, the same at every step.

    Attributes:
        model: inputs of the model.
        interactions: int32 `[n, 2]`, the positives: training pairs (user, item).
        history: all training items of each user, those rated below `min_rating` too.
        low_rated: the training items that a user rated below `min_rating`.
        review_text: float16 `[n, width]`, text features of the review of each interaction, rows of
            norm 1 or 0; None where no loss reads them.
    """

    model: ModelInputs
    interactions: jax.Array
    history: UserItems
    low_rated: UserItems
    review_text: jax.Array | None = None

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, config: Config) -> "TrainInputs":
        """Collects the training data of a prepared folder.

        Args:
            dataset: the prepared folder.
            config: resolved settings.
        """
        positive = dataset.is_positive(config.model.min_rating)
        review_text = None
        if config.model.text_encoder != "none" and config.loss.reads_reviews:
            features = dataset.text_features(config.model.text_encoder, "reviews")
            rows = dataset.review_rows("train")[positive]
            review_text = jnp.asarray(unit_rows(features[rows]), jnp.float16)
        return cls(
            model=ModelInputs.from_dataset(dataset, config.model),
            interactions=jnp.asarray(dataset.train[positive]),
            history=UserItems.from_pairs(dataset.train, dataset.n_users),
            low_rated=UserItems.from_pairs(dataset.train[~positive], dataset.n_users),
            review_text=review_text,
        )
