"""Item kNN: items that the same users interacted with."""

import dataclasses
from typing import ClassVar

from symcere_jax.baselines.scorer import Scorer, interaction_matrix
from symcere_jax.baselines.similar_items import fit_similar_items, shrunk_cosines
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
    similarities = shrunk_cosines(interaction_matrix(dataset).T.tocsr(), settings.shrinkage)
    return fit_similar_items(dataset, similarities, settings.k)
