"""Losses: pure, jittable functions of embeddings or logits."""

from symcere_jax.losses.logsumexp import blockwise_logsumexp, masked_logsumexp
from symcere_jax.losses.ranking import (
    FalseNegatives,
    bpr_terms,
    catalog_sincere_terms,
    in_batch_sincere_terms,
    in_history,
    left_out_of_batch,
)
from symcere_jax.losses.sincere import (
    Average,
    Direction,
    Terms,
    cross_modal_terms,
    sincere_loss,
    sincere_terms,
)

__all__ = [
    "Average",
    "Direction",
    "FalseNegatives",
    "Terms",
    "blockwise_logsumexp",
    "bpr_terms",
    "catalog_sincere_terms",
    "cross_modal_terms",
    "in_batch_sincere_terms",
    "in_history",
    "left_out_of_batch",
    "masked_logsumexp",
    "sincere_loss",
    "sincere_terms",
]
