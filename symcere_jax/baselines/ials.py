"""iALS: weighted matrix factorization, by the `implicit` package."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import scipy.sparse
import threadpoolctl

from symcere_jax.baselines.scorer import Scorer, interaction_matrix
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError
from symcere_jax.fields import SettingsBase, setting
from symcere_jax.models import Factors, score_factors


@dataclasses.dataclass(frozen=True)
class IalsSettings(SettingsBase):
    """Settings of iALS."""

    factors: int = setting(64, "width of the embeddings", minimum=1)
    regularization: float = setting(30.0, "weight of the squared norms", minimum=0)
    alpha: float = setting(20.0, "weight of an interaction; that of other pairs is 1", above=0)
    iterations: int = setting(15, "each solves for the users, then for the items", minimum=1)

    SPACE: ClassVar[dict[str, tuple]] = {
        "factors": (8, 32, 64, 128),
        "regularization": (10.0, 30.0, 100.0),
        "alpha": (5.0, 10.0, 20.0),
    }


def fit_ials(dataset: ReviewDataset, settings: IalsSettings, seed: int) -> Scorer:
    """Minimizes `Σ_ui c_ui (p_ui − x_u · y_i)² + regularization (‖X‖² + ‖Y‖²)`.

    `p_ui` is 1 and `c_ui` alpha for training interactions; all other pairs have 0 and 1.

    Source: Y. Hu, Y. Koren, C. Volinsky, "Collaborative Filtering for Implicit Feedback Datasets",
    ICDM 2008.

    Raises:
        ConfigError: the package `implicit` is not installed.
    """
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError:
        raise ConfigError(
            "iALS needs the package implicit: pip install 'symcere-jax[baselines]', "
            "or leave this method out"
        ) from None
    # It runs threads of its own, a row each; those of BLAS would get in their way.
    with threadpoolctl.threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(**settings.as_dict(), random_state=seed)
        matrix = scipy.sparse.csr_matrix(interaction_matrix(dataset))
        model.fit(matrix, show_progress=False)
    factors = Factors(jnp.asarray(model.user_factors), jnp.asarray(model.item_factors))
    return Scorer(score_factors, factors)
