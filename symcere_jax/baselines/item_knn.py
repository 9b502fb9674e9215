"""Item kNN: items that the same users interacted with."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from symcere_jax.baselines.neighbors import Neighbors, nearest, score_neighbors
from symcere_jax.baselines.scorer import Scorer, interaction_matrix, training_items
from symcere_jax.data import ReviewDataset


@dataclasses.dataclass(frozen=True)
class ItemKnnSettings:
    """Settings of item kNN.

    Attributes:
        k: neighbours of each item.
        shrinkage: added to the denominator of the cosine, against similarities of few users.
    """

    k: int = 100
    shrinkage: float = 10.0

    SPACE: ClassVar[dict[str, tuple]] = {
        "k": (5, 10, 20, 50, 100, 200, 500),
        "shrinkage": (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
    }


def fit_item_knn(dataset: ReviewDataset, settings: ItemKnnSettings, seed: int) -> Scorer:
    """Neighbours by shrunk cosine, `w_ij = n_ij / (sqrt(n_i n_j) + shrinkage)`.

    `n_i` is the number of training users of item i, `n_ij` of both i and j.

    Args:
        dataset: the prepared folder.
        settings: number of neighbours and shrinkage.
        seed: not used.
    """
    matrix = interaction_matrix(dataset)
    by_item = matrix.T.tocsr()
    norms = np.sqrt(np.diff(by_item.indptr))

    def similarities(rows: slice) -> np.ndarray:
        common = (by_item[rows] @ matrix).toarray()
        scale = norms[rows, None] * norms + settings.shrinkage
        return common / np.where(scale > 0, scale, 1)

    neighbors = nearest(similarities, dataset.n_items, settings.k)
    params = Neighbors(training_items(dataset), *map(jnp.asarray, neighbors))
    return Scorer(score_neighbors, params)
