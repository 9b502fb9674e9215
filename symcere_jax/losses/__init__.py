"""Losses: pure, jittable functions of embeddings or logits."""

from symcere_jax.losses.item_lists import ItemLists, ItemRows
from symcere_jax.losses.logsumexp import ExcludedCandidates, blockwise_logsumexp, masked_logsumexp
from symcere_jax.losses.ranking_losses import (
    bpr_terms,
    catalog_sincere_terms,
    history_mask,
    in_batch_sincere_terms,
    pair_scores,
)
from symcere_jax.losses.sincere import (
    Direction,
    Terms,
    cross_modal_terms,
    sincere_loss,
    sincere_terms,
)

__all__ = [
    "Direction",
    "ExcludedCandidates",
    "ItemLists",
    "ItemRows",
    "Terms",
    "blockwise_logsumexp",
    "bpr_terms",
    "catalog_sincere_terms",
    "cross_modal_terms",
    "history_mask",
    "in_batch_sincere_terms",
    "masked_logsumexp",
    "pair_scores",
    "sincere_loss",
    "sincere_terms",
]
