"""Linear models and factorizations of the interaction matrix X, in closed form or nearly so."""

import abc
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.sparse
import threadpoolctl

from symcere_jax.arrays import unit_rows
from symcere_jax.baselines.base import (
    Baseline,
    Scorer,
    interaction_matrix,
    text_features,
    training_histories,
)
from symcere_jax.data import Histories, ReviewDataset
from symcere_jax.errors import ConfigError
from symcere_jax.models import Factors, score_factors

MAX_ITEMS = 20_000  # 3.2 GB of float64, inverted in place
_ADMM_ITERATIONS = 50


@dataclasses.dataclass(frozen=True)
class ItemItemModel(Baseline):
    """A model whose scores are `X B`, with one dense matrix B of items × items."""

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        if dataset.n_items > MAX_ITEMS:
            raise ConfigError(
                f"{self.title} needs a dense matrix items × items: {dataset.n_items:,} items are "
                f"more than its limit of {MAX_ITEMS:,}; leave this method out"
            )
        weights = jnp.asarray(self.weights(dataset, seed), jnp.float32)
        return Scorer(score_item_item, (training_histories(dataset), weights))

    @abc.abstractmethod
    def weights(self, dataset: ReviewDataset, seed: int) -> np.ndarray:
        """B, float `[n_items, n_items]`."""


def score_item_item(params: tuple[Histories, jax.Array], users: jax.Array) -> jax.Array:
    """Of histories and weights `[n_items, n_items]`: sums the rows of each user's items."""
    histories, weights = params
    return histories.multi_hot(users) @ weights


@dataclasses.dataclass(frozen=True)
class Ease(ItemItemModel):
    """EASE: a linear autoencoder of the items, in closed form.

    Minimizes `‖X − X B‖² + l2 ‖B‖²` over B with a diagonal of 0. With `P = (Xᵀ X + l2 I)⁻¹` the
    solution is `B_ij = −P_ij / P_jj` off the diagonal.

    Source: H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
    """

    title = "EASE"
    space: ClassVar = {
        "l2": (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
    }
    l2: float = 100.0  # weight of the squared entries of B

    def weights(self, dataset: ReviewDataset, seed: int) -> np.ndarray:
        gram = _gram(dataset)
        gram[np.diag_indices_from(gram)] += self.l2
        factor = scipy.linalg.cho_factor(gram, overwrite_a=True, check_finite=False)
        identity = np.eye(len(gram))
        inverse = scipy.linalg.cho_solve(factor, identity, overwrite_b=True, check_finite=False)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return weights


@dataclasses.dataclass(frozen=True)
class TextEase(ItemItemModel):
    """EASE whose weights are drawn to the similarity of the items' texts, not to 0.

    Minimizes `‖X − X B‖² + l2 ‖B − prior · C‖²` over B with a diagonal of 0. C holds the cosines of
    the items' features of the prepared folder's first text encoder, less their mean, with a
    diagonal of 0. With `P = (Xᵀ X + l2 I)⁻¹` and `B₀ = P (Xᵀ X + l2 prior C)` the solution is
    `B_ij = B₀_ij − P_ij B₀_jj / P_jj`.

    Source: O. Jeunen, J. Van Balen, B. Goethals, "Closed-Form Models for Collaborative Filtering
    with Side-Information", RecSys 2020, where features extend the interactions instead.
    """

    title = "EASE, text prior"
    space: ClassVar = {
        "l2": (10.0, 30.0, 100.0, 300.0, 1000.0),
        "prior": (0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    }
    l2: float = 100.0  # weight of the squared distance from the prior
    prior: float = 0.2  # the prior is that times the cosine of the texts

    def weights(self, dataset: ReviewDataset, seed: int) -> np.ndarray:
        features = unit_rows(text_features(dataset, "items")).astype(np.float64)
        features = unit_rows(features - features.mean(axis=0))
        cosines = features @ features.T
        np.fill_diagonal(cosines, 0)
        gram = _gram(dataset)
        inverse = np.linalg.inv(gram + self.l2 * np.eye(len(gram)))
        weights = inverse @ (gram + self.l2 * self.prior * cosines)
        weights -= inverse * (np.diag(weights) / np.diag(inverse))
        np.fill_diagonal(weights, 0)  # of rounding
        return weights


@dataclasses.dataclass(frozen=True)
class Slim(ItemItemModel):
    """SLIM: a sparse linear autoencoder of the items with weights of at least 0, by ADMM.

    Minimizes `½ ‖X − X B‖² + l2/2 ‖B‖² + l1 ‖B‖₁` over B ≥ 0 with a diagonal of 0. ADMM with ρ = l2
    splits off the sparse part C: with `P = (Xᵀ X + 2 l2 I)⁻¹`

        B ← P (Xᵀ X + ρ (C − Γ)) with its diagonal taken to 0,   C ← max(B + Γ − l1/ρ, 0),
        Γ ← Γ + B − C.

    Source: X. Ning, G. Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM
    2011; solved as in H. Steck et al., "ADMM SLIM", WSDM 2020.
    """

    title = "SLIM"
    space: ClassVar = {
        "l1": (0.01, 0.1, 0.5, 1.0, 2.0, 5.0),
        "l2": (1.0, 10.0, 50.0, 100.0, 200.0, 500.0),
    }
    l1: float = 1.0  # weight of the entries of B
    l2: float = 100.0  # weight of half their squares

    def weights(self, dataset: ReviewDataset, seed: int) -> np.ndarray:
        gram, penalty = _gram(dataset), self.l2
        inverse = np.linalg.inv(gram + (self.l2 + penalty) * np.eye(len(gram)))
        scale = np.diag(inverse)
        sparse, dual = np.zeros_like(gram), np.zeros_like(gram)
        for _ in range(_ADMM_ITERATIONS):
            dense = inverse @ (gram + penalty * (sparse - dual))
            dense -= inverse * (np.diag(dense) / scale)
            sparse = np.maximum(dense + dual - self.l1 / penalty, 0)
            np.fill_diagonal(sparse, 0)
            dual += dense - sparse
        return sparse


@dataclasses.dataclass(frozen=True)
class GfCf(ItemItemModel):
    """GF-CF: a linear filter of the graph and an ideal low-pass filter, without training.

    `B = R̃ᵀ R̃ + low_pass · D^-½ V Vᵀ D^½`. `R̃ = D_u^-½ X D^-½` are the interactions over the roots
    of the degrees, D those of the items, and V the first right singular vectors of R̃.

    Source: Y. Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021.
    """

    title = "GF-CF"
    space: ClassVar = {
        "factors": (8, 16, 32, 64, 128, 256),
        "low_pass": (0.0, 0.1, 0.2, 0.3, 0.5, 1.0),
    }
    factors: int = 64  # singular vectors that the low-pass filter lets through
    low_pass: float = 0.3  # weight of the low-pass filter

    def weights(self, dataset: ReviewDataset, seed: int) -> np.ndarray:
        counts = dataset.user_counts(), dataset.item_counts()
        user_roots, item_roots = (np.sqrt(np.maximum(n, 1)) for n in counts)
        matrix = scipy.sparse.csr_matrix(interaction_matrix(dataset))
        scaled = scipy.sparse.diags(1 / user_roots) @ matrix @ scipy.sparse.diags(1 / item_roots)
        vectors = _right_singular_vectors(scaled, self.factors, seed)
        low_pass = self.low_pass * (vectors.T / item_roots[:, None]) @ (vectors * item_roots)
        return (scaled.T @ scaled).toarray() + low_pass


@dataclasses.dataclass(frozen=True)
class PureSvd(Baseline):
    """PureSVD: scores are `X V Vᵀ`, of the right singular vectors V of X.

    Source: P. Cremonesi, Y. Koren, R. Turrin, "Performance of Recommender Algorithms on Top-N
    Recommendation Tasks", RecSys 2010.
    """

    title = "PureSVD"
    space: ClassVar = {"factors": (2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)}
    factors: int = 64  # number of singular vectors

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        matrix = scipy.sparse.csr_matrix(interaction_matrix(dataset))
        vectors = _right_singular_vectors(matrix, self.factors, seed).T
        return Scorer(score_factors, Factors(jnp.asarray(matrix @ vectors), jnp.asarray(vectors)))


@dataclasses.dataclass(frozen=True)
class Ials(Baseline):
    """iALS: weighted matrix factorization, by the `implicit` package.

    Minimizes `Σ_ui c_ui (p_ui − x_u · y_i)² + regularization (‖X‖² + ‖Y‖²)`. `p_ui` is 1 and `c_ui`
    alpha for training interactions; all other pairs have 0 and 1.

    Source: Y. Hu, Y. Koren, C. Volinsky, "Collaborative Filtering for Implicit Feedback Datasets",
    ICDM 2008.
    """

    title = "iALS"
    random = True
    space: ClassVar = {
        "factors": (8, 32, 64, 128),
        "regularization": (10.0, 30.0, 100.0),
        "alpha": (5.0, 10.0, 20.0),
    }
    factors: int = 64  # width of the embeddings
    regularization: float = 30.0  # weight of the squared norms
    alpha: float = 20.0  # weight of an interaction; that of other pairs is 1
    iterations: int = 15  # each solves for the users, then for the items

    def fit(self, dataset: ReviewDataset, seed: int) -> Scorer:
        try:
            from implicit.cpu.als import AlternatingLeastSquares
        except ImportError:
            raise ConfigError(
                "iALS needs the package implicit: pip install 'symcere-jax[baselines]', "
                "or leave this method out"
            ) from None
        # It runs threads of its own, a row each; those of BLAS would get in their way.
        with threadpoolctl.threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(**dataclasses.asdict(self), random_state=seed)
            matrix = scipy.sparse.csr_matrix(interaction_matrix(dataset))
            model.fit(matrix, show_progress=False)
        factors = Factors(jnp.asarray(model.user_factors), jnp.asarray(model.item_factors))
        return Scorer(score_factors, factors)


def _gram(dataset: ReviewDataset) -> np.ndarray:
    """`Xᵀ X`, float64."""
    matrix = interaction_matrix(dataset).astype(np.float64)
    return (matrix.T @ matrix).toarray()


def _right_singular_vectors(matrix: scipy.sparse.csr_matrix, factors: int, seed: int) -> np.ndarray:
    from sklearn.utils.extmath import randomized_svd  # slow to import

    return randomized_svd(matrix, min(factors, *matrix.shape), random_state=seed)[2]
