"""Item kNN: items that the same users interacted with."""

import dataclasses
from typing import ClassVar

import numpy as np

from symcere_jax.baselines.scorer import Scorer, interaction_matrix
from symcere_jax.baselines.similar_items import fit_similar_items
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import SettingsBase, setting


@dataclasses.dataclass(frozen=True)
class ItemKnnSettings(SettingsBase):
    """Settings of item kNN."""

    k: int = setting(100, "neighbors of each item", minimum=1)
    shrinkage: float = setting(
        10.0, "added to the denominator, against similarities of few users", minimum=0
    )

    SPACE: ClassVar[dict[str, tuple]] = {
        "k": (5, 10, 20, 50, 100, 200, 500),
        "shrinkage": (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
    }


def fit_item_knn(dataset: ReviewDataset, settings: ItemKnnSettings, seed: int) -> Scorer:
    """Neighbors by shrunk cosine, `w_ij = n_ij / (sqrt(n_i n_j) + shrinkage)`.

    `n_i` is the number of training users of item i, `n_ij` of both i and j.
    """
    matrix = interaction_matrix(dataset)
    by_item = matrix.T.tocsr()
    norms = np.sqrt(np.diff(by_item.indptr))

    def similarities(rows: slice) -> np.ndarray:
        common = (by_item[rows] @ matrix).toarray()
        scale = norms[rows, None] * norms + settings.shrinkage
        return common / np.where(scale > 0, scale, 1)

    return fit_similar_items(dataset, similarities, settings.k)
