"""EASE: a linear autoencoder of the items, in closed form."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import scipy.linalg

from symcere_jax.baselines.scorer import (
    Scorer,
    interaction_matrix,
    score_item_item,
    training_histories,
)
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError
from symcere_jax.fields import SettingsBase, setting

MAX_ITEMS = 20_000  # 3.2 GB of float64, inverted in place


@dataclasses.dataclass(frozen=True)
class EaseSettings(SettingsBase):
    """Settings of EASE."""

    l2: float = setting(100.0, "weight of the squared entries of the matrix", above=0)

    SPACE: ClassVar[dict[str, tuple]] = {
        "l2": (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
    }


def fit_ease(dataset: ReviewDataset, settings: EaseSettings, seed: int) -> Scorer:
    """Minimizes `‖X − X B‖² + l2 ‖B‖²` over B with a diagonal of 0; scores are `X B`.

    With `P = (Xᵀ X + l2 I)⁻¹` the solution is `B_ij = −P_ij / P_jj` off the diagonal.

    Source: H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.

    Raises:
        ConfigError: the catalog is too large for a dense matrix.
    """
    n_items = check_catalog(dataset, "EASE")
    matrix = interaction_matrix(dataset).astype(np.float64)
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices(n_items)] += settings.l2
    factor = scipy.linalg.cho_factor(gram, overwrite_a=True, check_finite=False)
    inverse = scipy.linalg.cho_solve(factor, np.eye(n_items), overwrite_b=True, check_finite=False)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    params = training_histories(dataset), jnp.asarray(weights, jnp.float32)
    return Scorer(score_item_item, params)


def check_catalog(dataset: ReviewDataset, method: str) -> int:
    """The number of items.

    Raises:
        ConfigError: there are too many for a dense matrix of items × items.
    """
    if dataset.n_items > MAX_ITEMS:
        raise ConfigError(
            f"{method} needs a dense matrix items × items: {dataset.n_items:,} items are more than "
            f"the {MAX_ITEMS:,} that it is for; leave this method out"
        )
    return dataset.n_items
