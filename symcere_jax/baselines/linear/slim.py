"""SLIM: a sparse linear autoencoder of the items with weights of at least 0, by ADMM."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from symcere_jax.baselines.linear.ease import check_catalog
from symcere_jax.baselines.scorer import (
    Scorer,
    interaction_matrix,
    score_item_item,
    training_histories,
)
from symcere_jax.data import ReviewDataset
from symcere_jax.fields import SettingsBase, setting

_ITERATIONS = 50


@dataclasses.dataclass(frozen=True)
class SlimSettings(SettingsBase):
    """Settings of SLIM."""

    l1: float = setting(1.0, "weight of the entries of the matrix", minimum=0)
    l2: float = setting(100.0, "weight of half their squares", above=0)

    SPACE: ClassVar[dict[str, tuple]] = {
        "l1": (0.01, 0.1, 0.5, 1.0, 2.0, 5.0),
        "l2": (1.0, 10.0, 50.0, 100.0, 200.0, 500.0),
    }


def fit_slim(dataset: ReviewDataset, settings: SlimSettings, seed: int) -> Scorer:
    """Minimizes `½ ‖X − X B‖² + l2/2 ‖B‖² + l1 ‖B‖₁` over B ≥ 0 with a diagonal of 0.

    Scores are `X B`. ADMM with ρ = l2 splits off the sparse part C: with `P = (Xᵀ X + 2 l2 I)⁻¹`

        B ← P (Xᵀ X + ρ (C − Γ)) with its diagonal taken to 0,   C ← max(B + Γ − l1/ρ, 0),
        Γ ← Γ + B − C.

    Source: X. Ning, G. Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM
    2011; solved as in H. Steck et al., "ADMM SLIM", WSDM 2020.

    Raises:
        ConfigError: the catalog is too large for a dense matrix.
    """
    n_items = check_catalog(dataset, "SLIM")
    matrix = interaction_matrix(dataset).astype(np.float64)
    gram = (matrix.T @ matrix).toarray()
    penalty = settings.l2
    inverse = np.linalg.inv(gram + (settings.l2 + penalty) * np.eye(n_items))
    scale = np.diag(inverse)
    sparse, dual = np.zeros_like(gram), np.zeros_like(gram)
    for _ in range(_ITERATIONS):
        dense = inverse @ (gram + penalty * (sparse - dual))
        dense -= inverse * (np.diag(dense) / scale)
        sparse = np.maximum(dense + dual - settings.l1 / penalty, 0)
        np.fill_diagonal(sparse, 0)
        dual += dense - sparse
    params = training_histories(dataset), jnp.asarray(sparse, jnp.float32)
    return Scorer(score_item_item, params)
