"""PureSVD: the largest singular vectors of the interactions."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import scipy.sparse

from symcere_jax.baselines.scorer import Scorer, interaction_matrix
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import SettingsBase, setting
from symcere_jax.models import Factors, score_factors


@dataclasses.dataclass(frozen=True)
class PureSvdSettings(SettingsBase):
    """Settings of PureSVD."""

    factors: int = setting(64, "number of singular vectors", minimum=1)

    SPACE: ClassVar[dict[str, tuple]] = {
        "factors": (2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
    }


def fit_pure_svd(dataset: ReviewDataset, settings: PureSvdSettings, seed: int) -> Scorer:
    """Scores are `X V Vᵀ`, of the interactions X and their right singular vectors V.

    Source: P. Cremonesi, Y. Koren, R. Turrin, "Performance of Recommender Algorithms on Top-N
    Recommendation Tasks", RecSys 2010.
    """
    matrix = scipy.sparse.csr_matrix(interaction_matrix(dataset))
    factors = min(settings.factors, *matrix.shape)
    from sklearn.utils.extmath import randomized_svd  # slow to import

    _, _, vectors = randomized_svd(matrix, factors, random_state=seed)
    users = matrix @ vectors.T
    return Scorer(score_factors, Factors(jnp.asarray(users), jnp.asarray(vectors.T)))
