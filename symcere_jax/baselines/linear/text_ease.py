"""EASE with a text prior: its weights are drawn to the similarity of the items' texts, not to 0."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.baselines.linear.ease import check_catalog
from symcere_jax.baselines.scorer import (
    Scorer,
    interaction_matrix,
    score_item_item,
    training_histories,
)
from symcere_jax.baselines.text_knn import first_encoder
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import SettingsBase, setting


@dataclasses.dataclass(frozen=True)
class TextEaseSettings(SettingsBase):
    """Settings of EASE with a text prior."""

    l2: float = setting(100.0, "weight of the squared distance from the prior", above=0)
    prior: float = setting(0.2, "the prior is that times the cosine of the texts", minimum=0)

    SPACE: ClassVar[dict[str, tuple]] = {
        "l2": (10.0, 30.0, 100.0, 300.0, 1000.0),
        "prior": (0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    }


def fit_text_ease(dataset: ReviewDataset, settings: TextEaseSettings, seed: int) -> Scorer:
    """Minimizes `‖X − X B‖² + l2 ‖B − prior · C‖²` over B with a diagonal of 0; scores are `X B`.

    C holds the cosines of the items' features of the prepared folder's first text encoder, less
    their mean, with a diagonal of 0. With `P = (Xᵀ X + l2 I)⁻¹` and `B₀ = P (Xᵀ X + l2 prior C)`
    the solution is `B_ij = B₀_ij − P_ij B₀_jj / P_jj`.

    Source: O. Jeunen, J. Van Balen, B. Goethals, "Closed-Form Models for Collaborative Filtering
    with Side-Information", RecSys 2020, where features extend the interactions instead.

    Raises:
        ConfigError: the catalog is too large for a dense matrix.
        DataError: the folder has no text features.
    """
    n_items = check_catalog(dataset, "EASE with a text prior")
    features = unit_rows(dataset.text_features(first_encoder(dataset), "items")).astype(np.float64)
    features = unit_rows(features - features.mean(axis=0))
    cosines = features @ features.T
    np.fill_diagonal(cosines, 0)
    matrix = interaction_matrix(dataset).astype(np.float64)
    gram = (matrix.T @ matrix).toarray()
    inverse = np.linalg.inv(gram + settings.l2 * np.eye(n_items))
    weights = inverse @ (gram + settings.l2 * settings.prior * cosines)
    weights -= inverse * (np.diag(weights) / np.diag(inverse))
    np.fill_diagonal(weights, 0)  # of rounding
    return Scorer(score_item_item, (training_histories(dataset), jnp.asarray(weights, jnp.float32)))
