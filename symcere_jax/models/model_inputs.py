"""What the model reads besides its parameters."""

import flax.struct
import jax
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.graph import Adjacency, bipartite_graph, build_adjacency
from symcere_jax.settings import NONE, ResolvedSettings


@flax.struct.dataclass
class ModelInputs:
    """What the model reads besides its parameters, the same at every step.

    Attributes:
        adjacency: of users, then items; positive training interactions only.
        user_text: float32 `[n_users, width]`, rows of norm 1 or 0; None without text.
        item_text: float32 `[n_items, width]`, rows of norm 1 or 0; None without text.
        user_degree: float32 `[n_users]`, positive training interactions of each user.
        item_degree: float32 `[n_items]`, positive training interactions of each item.
        user_reviews: float32 `[n_users]`, training reviews that make up the text of a user.
        item_reviews: float32 `[n_items]`, training reviews that make up the text of an item, those
            of authors who are no users included.
    """

    adjacency: Adjacency
    user_text: jax.Array | None
    item_text: jax.Array | None
    user_degree: jax.Array
    item_degree: jax.Array
    user_reviews: jax.Array
    item_reviews: jax.Array

    @classmethod
    def from_dataset(cls, dataset: ReviewDataset, settings: ResolvedSettings) -> "ModelInputs":
        """Builds the graph and reads the text features of a prepared folder.

        Raises:
            DataError: the folder has no such text features, or no rating reaches `min_rating`.
        """
        interactions = dataset.train[dataset.is_positive(settings.min_rating)]
        graph = bipartite_graph(interactions, dataset.n_users, dataset.n_items)
        degrees, reviews = (
            [
                np.bincount(pairs[:, column], minlength=n).astype(np.float32)
                for column, n in enumerate((dataset.n_users, dataset.n_items))
            ]
            for pairs in (interactions, dataset.train)
        )
        reviews[1] += dataset.extra_counts()
        user_text = item_text = None
        if settings.text_encoder != NONE:
            user_text, item_text = (
                jax.device_put(unit_rows(dataset.text_features(settings.text_encoder, rows)))
                for rows in ("users", "items")
            )
        adjacency = build_adjacency(graph, settings.propagation)
        return cls(adjacency, user_text, item_text, *jax.device_put([*degrees, *reviews]))
