"""The model and its towers."""

from symcere_jax.models.build import build_model, resolve
from symcere_jax.models.columns import Columns
from symcere_jax.models.item_neighbors import ItemNeighbors
from symcere_jax.models.symcere import (
    NODE_PARAMS,
    Embeddings,
    Factors,
    ModelInputs,
    NodeEmbeddings,
    SymCERE,
    score_block,
    score_factors,
)

__all__ = [
    "NODE_PARAMS",
    "Columns",
    "Embeddings",
    "Factors",
    "ItemNeighbors",
    "ModelInputs",
    "NodeEmbeddings",
    "SymCERE",
    "build_model",
    "resolve",
    "score_block",
    "score_factors",
]
