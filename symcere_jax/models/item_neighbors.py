"""Items as neighbors of each other: columns that are computed, not trained.

With features φ_i of the items, the score of a user with the training items I_u is

    s_ui = 1/|I_u| Σ_{j ∈ I_u} φ_i · φ_j.
"""

import dataclasses

import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.data.interactions import Interactions


@dataclasses.dataclass(frozen=True)
class ItemNeighbors:
    """The items as neighbors of each other; in host memory."""

    features: np.ndarray  # float32 `[n_items, r]`, φ; followed by those of new items
    # float32 `[width + 1, r]`, from text features, followed by 1, to φ; None if texts do not
    # determine φ.
    text_map: np.ndarray | None = None

    def features_of(self, text: np.ndarray) -> np.ndarray:
        """φ of new items, float32 `[n, r]`; 0 without text.

        Args:
            text: float `[n, width]` text features.
        """
        if self.text_map is None:
            return np.zeros((len(text), self.features.shape[1]), np.float32)
        has_text = np.any(text, axis=1, keepdims=True)
        return np.asarray(with_one(text) @ self.text_map * has_text, np.float32)

    def user_columns(self, items: Interactions) -> np.ndarray:
        """The means of φ_j over the items of each user, float32 `[n_users, r]`; 0 without items.

        Args:
            items: of each user.
        """
        counts = items.counts()
        shares = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
        return items.matrix(len(self.features), shares) @ self.features

    def shares(self, history: np.ndarray, item: int) -> np.ndarray:
        """What each item of a user's history adds to the score of an item, float64 `[n]`.

        Args:
            history: int `[n]` rows of all items of the user.
            item: row of the item.
        """
        target = self.features[item].astype(np.float64)
        return self.features[history].astype(np.float64) @ target / max(len(history), 1)

    def with_items(self, text: np.ndarray) -> "ItemNeighbors":
        """One that knows new items as well, behind the others.

        Args:
            text: float `[n, width]` text features of the new items.
        """
        rows = np.concatenate([self.features, self.features_of(text)])
        return dataclasses.replace(self, features=rows)


def with_one(text: np.ndarray) -> np.ndarray:
    """Text features in rows of norm 1, followed by a 1.

    Args:
        text: float `[n, width]`.

    Returns:
        float64 `[n, width + 1]`.
    """
    return np.concatenate([unit_rows(text, np.float64), np.ones((len(text), 1))], axis=1)
