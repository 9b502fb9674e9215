"""Losses: pure, jittable functions of embeddings or logits."""

from symcere_jax.losses.item_lists import ItemLists, ItemRows
from symcere_jax.losses.logsumexp import (
    ExcludedCandidates,
    ExclusionMask,
    blockwise_logsumexp,
    lazy_logsumexp,
    masked_logsumexp,
)
from symcere_jax.losses.ranking import (
    FalseNegatives,
    bpr_terms,
    catalog_sincere_terms,
    in_batch_sincere_terms,
    history_mask,
    exclude_from_batch,
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
    "FalseNegatives",
    "ItemLists",
    "ItemRows",
    "ExclusionMask",
    "Terms",
    "blockwise_logsumexp",
    "bpr_terms",
    "catalog_sincere_terms",
    "cross_modal_terms",
    "in_batch_sincere_terms",
    "history_mask",
    "label_sincere_terms",
    "lazy_logsumexp",
    "exclude_from_batch",
    "masked_logsumexp",
    "pair_scores",
    "sincere_loss",
    "sincere_terms",
]
