"""GF-CF: a linear filter of the graph and an ideal low-pass filter, without training."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import scipy.sparse

from symcere_jax.baselines.linear.ease import check_catalog
from symcere_jax.baselines.scorer import (
    Scorer,
    interaction_matrix,
    score_item_item,
    training_histories,
)
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import SettingsBase, setting


@dataclasses.dataclass(frozen=True)
class GfCfSettings(SettingsBase):
    """Settings of GF-CF."""

    factors: int = setting(64, "singular vectors that the low-pass filter lets through", minimum=1)
    low_pass: float = setting(0.3, "weight of the low-pass filter", minimum=0)

    SPACE: ClassVar[dict[str, tuple]] = {
        "factors": (8, 16, 32, 64, 128, 256),
        "low_pass": (0.0, 0.1, 0.2, 0.3, 0.5, 1.0),
    }


def fit_gf_cf(dataset: ReviewDataset, settings: GfCfSettings, seed: int) -> Scorer:
    """Scores are `X (R̃ᵀ R̃ + low_pass · D^-½ V Vᵀ D^½)`.

    `R̃ = D_u^-½ X D^-½` are the interactions over the roots of the degrees, D those of the items,
    and V the first right singular vectors of R̃.

    Source: Y. Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021.

    Raises:
        ConfigError: the catalog is too large for a dense matrix.
    """
    check_catalog(dataset, "GF-CF")
    matrix = scipy.sparse.csr_matrix(interaction_matrix(dataset))
    user_roots, item_roots = (
        np.sqrt(np.maximum(counts, 1)) for counts in (dataset.user_counts(), dataset.item_counts())
    )
    scaled = scipy.sparse.diags(1 / user_roots) @ matrix @ scipy.sparse.diags(1 / item_roots)
    weights = (scaled.T @ scaled).toarray()
    factors = min(settings.factors, *matrix.shape)
    from sklearn.utils.extmath import randomized_svd  # slow to import

    _, _, vectors = randomized_svd(scaled, factors, random_state=seed)
    weights += settings.low_pass * (vectors.T / item_roots[:, None]) @ (vectors * item_roots)
    return Scorer(score_item_item, (training_histories(dataset), jnp.asarray(weights, jnp.float32)))
