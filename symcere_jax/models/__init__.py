"""The model, its towers, and the embeddings that score."""

from symcere_jax.models.column_shard import Columns
from symcere_jax.models.defaults import resolve
from symcere_jax.models.item_neighbors import ItemNeighbors
from symcere_jax.models.mixture import (
    POPULARITY,
    Mixture,
    Share,
    column_shares,
    mix,
    neighbor_embeddings,
    popularity_embeddings,
    score_spread,
)
from symcere_jax.models.model_inputs import ModelInputs
from symcere_jax.models.scores import (
    Embeddings,
    Factors,
    normalize_rows,
    score_block,
    score_factors,
)
from symcere_jax.models.symcere import NODE_PARAMS, NodeEmbeddings, SymCERE

__all__ = [
    "NODE_PARAMS",
    "POPULARITY",
    "Columns",
    "Embeddings",
    "Factors",
    "ItemNeighbors",
    "Mixture",
    "ModelInputs",
    "NodeEmbeddings",
    "Share",
    "SymCERE",
    "column_shares",
    "mix",
    "neighbor_embeddings",
    "normalize_rows",
    "popularity_embeddings",
    "resolve",
    "score_block",
    "score_factors",
    "score_spread",
]
