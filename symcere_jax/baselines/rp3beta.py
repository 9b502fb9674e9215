"""RP3beta: walks of three steps over the graph, with popular items held back."""

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.sparse

from symcere_jax.baselines.scorer import Scorer, interaction_matrix
from symcere_jax.baselines.similar_items import fit_similar_items
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import SettingsBase, setting


@dataclasses.dataclass(frozen=True)
class Rp3BetaSettings(SettingsBase):
    """Settings of RP3beta; with beta 0 it is P3alpha."""

    k: int = setting(100, "neighbors of each item", minimum=1)
    alpha: float = setting(1.0, "power of the probabilities of a step", above=0)
    beta: float = setting(0.3, "power of an item's popularity that scores are divided by")

    SPACE: ClassVar[dict[str, tuple]] = {
        "k": (20, 50, 100, 200, 500),
        "alpha": (0.5, 0.75, 1.0, 1.25, 1.5),
        "beta": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7),
    }


def fit_rp3beta(dataset: ReviewDataset, settings: Rp3BetaSettings, seed: int) -> Scorer:
    """Neighbors by `w_ji = n_i^-beta Σ_u (n_j n_u)^-alpha` over the users u of both items.

    `n` is the number of training interactions of a node. The first step, from a user to an item of
    the history, has the same probability for all of them.

    Source: F. Christoffel, B. Paudel, C. Newell, A. Bernstein, "Blockbusters and Wallflowers:
    Accurate, Diverse, and Scalable Recommendations with Random Walks", RecSys 2015.
    """
    matrix = interaction_matrix(dataset)
    per_user = np.maximum(dataset.user_counts(), 1).astype(np.float64)
    per_item = np.maximum(dataset.item_counts(), 1).astype(np.float64)
    from_item = (scipy.sparse.diags_array(per_item**-settings.alpha) @ matrix.T).tocsr()
    to_item = scipy.sparse.diags_array(per_user**-settings.alpha) @ matrix
    share = per_item**-settings.beta

    def similarities(rows: slice) -> np.ndarray:
        return (from_item[rows] @ to_item).toarray() * share

    return fit_similar_items(dataset, similarities, settings.k)
