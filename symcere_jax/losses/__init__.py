"""Losses: pure, jittable functions of embeddings or logits."""

from symcere_jax.losses.item_lists import ItemLists, ItemRows
from symcere_jax.losses.logsumexp import (
    ExcludedCandidates,
    ExclusionMask,
    blockwise_logsumexp,
    lazy_logsumexp,
    masked_logsumexp,
)
from symcere_jax.losses.ranking_losses import (
    FalseNegatives,
    bpr_terms,
    catalog_sincere_terms,
    exclude_from_batch,
    history_mask,
    in_batch_sincere_terms,
    pair_scores,
)
from symcere_jax.losses.sincere import (
    Average,
    Direction,
    Terms,
    cross_modal_terms,
    label_sincere_terms,
    sincere_loss,
    sincere_terms,
)

__all__ = [
    "Average",
    "Direction",
    "ExcludedCandidates",
    "ExclusionMask",
    "FalseNegatives",
    "ItemLists",
    "ItemRows",
    "Terms",
    "blockwise_logsumexp",
    "bpr_terms",
    "catalog_sincere_terms",
    "cross_modal_terms",
    "exclude_from_batch",
    "history_mask",
    "in_batch_sincere_terms",
    "label_sincere_terms",
    "lazy_logsumexp",
    "masked_logsumexp",
    "pair_scores",
    "sincere_loss",
    "sincere_terms",
]
