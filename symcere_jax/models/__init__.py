"""The model and its towers."""

from symcere_jax.models.build import build_model, resolve
from symcere_jax.models.neighbors import Neighbors
from symcere_jax.models.symcere import (
    Embeddings,
    Factors,
    ModelInputs,
    NodeEmbeddings,
    SymCERE,
    score_block,
    score_factors,
)

__all__ = [
    "Embeddings",
    "Factors",
    "ModelInputs",
    "Neighbors",
    "NodeEmbeddings",
    "SymCERE",
    "build_model",
    "resolve",
    "score_block",
    "score_factors",
]
