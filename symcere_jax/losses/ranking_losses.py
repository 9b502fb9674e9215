"""Ranking losses: an interaction's item against other items.

The score of user u and item i is `s_ui = z_u · z_i / τ + bias_i`. Losses come as terms
`(sum, count)`, to be added over devices before they are divided (see `losses.sincere`).
"""

import jax
import jax.numpy as jnp

from symcere_jax.losses.item_lists import ItemLists, ItemRows
from symcere_jax.losses.logsumexp import ExcludedCandidates, blockwise_logsumexp, masked_logsumexp
from symcere_jax.losses.sincere import Terms


def pair_scores(
    anchors: jax.Array,
    candidates: jax.Array,
    temperature: jax.Array | float,
    bias: jax.Array | None = None,
) -> jax.Array:
    """Scores of anchor b and candidate b, `z_b · c_b / τ + bias_b`.

    Args:
        anchors: float `[b, d]`.
        candidates: float `[b, d]`.
        temperature: τ > 0.
        bias: float `[b]`, or None.

    Returns:
        float32 `[b]`.
    """
    scores = (anchors.astype(jnp.float32) * candidates.astype(jnp.float32)).sum(axis=1)
    scores = scores / temperature
    return scores if bias is None else scores + bias.astype(jnp.float32)


def catalog_sincere_terms(
    positive_scores: jax.Array,
    users: jax.Array,
    positive_items: jax.Array,
    items: jax.Array,
    excluded: ItemLists | None,
    temperature: jax.Array | float,
    *,
    item_bias: jax.Array | None = None,
    item_rows: ItemRows | None = None,
    block_size: int,
) -> Terms:
    """SINCERE of each interaction against the whole catalog, or a part of it.

    `ℓ(u,i) = −s_ui + log( exp(s_ui) + Σ_{j ≠ i, j ∉ excluded_u} exp(s_uj) )`, with memory
    `O(b × block_size)`.

    Args:
        positive_scores: float32 `[b]`, s_ui of the interactions (see `pair_scores`).
        users: float `[b, d]`, embeddings of the users of the interactions.
        positive_items: int32 `[b]`, of the interactions.
        items: float `[n_items, d]`, embeddings of the items that compete.
        excluded: items that are no negatives of each user: the training history for false negatives
            "history"; None for "none" and "same_item", which are the same here, where every item is
            a candidate once.
        temperature: τ > 0.
        item_bias: float `[n_items]`, or None.
        item_rows: rows in `items` of items of the interactions and of the lists; None: item i is
            row i.
        block_size: number of items whose logits are held at once.

    Returns:
        float32 scalars (sum of the losses, number of interactions).
    """
    users = users.astype(jnp.float32) / temperature
    positives = positive_items if item_rows is None else item_rows.of(positive_items)
    excluded_rows = ExcludedCandidates(excluded, item_rows, positives)
    negative_logsumexp = blockwise_logsumexp(
        users, items, item_bias, excluded_rows, block_size=block_size
    )
    return _mean_terms(jax.nn.softplus(negative_logsumexp - positive_scores))


def in_batch_sincere_terms(
    positive_scores: jax.Array,
    anchors: jax.Array,
    candidates: jax.Array,
    is_excluded: jax.Array,
    temperature: jax.Array | float,
    *,
    candidate_bias: jax.Array | None = None,
) -> Terms:
    """SINCERE of each interaction against the other interactions of the batch.

    `ℓ(a) = −s_ap + log( exp(s_ap) + Σ_{j ∉ excluded_a} exp(s_aj) )` with the anchor's own
    interaction p. Anchors are users and candidates items, or the other way round.

    On several devices, anchors are this device's and candidates those of all devices.

    Args:
        positive_scores: float32 `[b]`, s_ap of the interactions (see `pair_scores`).
        anchors: float `[b, d]`.
        candidates: float `[c, d]`, one for each interaction of the batch.
        is_excluded: bool `[b, c]`, which candidates are no negatives, the anchor's own among them.
        temperature: τ > 0.
        candidate_bias: float `[c]` added to the logits, or None.

    Returns:
        float32 scalars (sum of the losses, number of interactions).
    """
    anchors = anchors.astype(jnp.float32) / temperature
    logits = anchors @ candidates.astype(jnp.float32).T
    if candidate_bias is not None:
        logits = logits + candidate_bias.astype(jnp.float32)
    negative_logsumexp = masked_logsumexp(logits, ~is_excluded)
    return _mean_terms(jax.nn.softplus(negative_logsumexp - positive_scores))


def bpr_terms(
    positive_scores: jax.Array, negative_scores: jax.Array, keep: jax.Array | None = None
) -> Terms:
    """Bayesian personalized ranking: `ℓ = −log σ(s_ui − s_uj)` of an item i and a negative j.

    Source: S. Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.

    Args:
        positive_scores: float32 `[b]`, s_ui of interactions (see `pair_scores`).
        negative_scores: float32 `[b]`, s_uj of an item that the user did not interact with, or
            rated low.
        keep: bool `[b]`, pairs that count: a sampled item may turn out to be a positive. None: all.

    Returns:
        float32 scalars (sum of the losses, number of pairs that count).
    """
    losses = jax.nn.softplus(negative_scores - positive_scores)
    if keep is None:
        return _mean_terms(losses)
    return jnp.where(keep, losses, 0.0).sum(), keep.sum().astype(jnp.float32)


def history_mask(item_rows: jax.Array, history: ItemLists) -> jax.Array:
    """Which items of a batch occur in which users' histories.

    Each listed item is looked up among the batch's sorted rows, and marks the first place of its
    equals there; each candidate then reads the mark of its own first place. That takes
    O(h log c + b c) steps for histories of h items together, and no array `[b, h, c]`.

    Args:
        item_rows: int32 `[c]`; repeats are expected.
        history: items of each of b users.

    Returns:
        bool `[b, c]`.
    """
    n_rows = item_rows.shape[0]
    ordered = jnp.sort(item_rows)

    def place_of(items: jax.Array) -> jax.Array:
        places = jnp.searchsorted(ordered, items)
        is_present = ordered[jnp.minimum(places, n_rows - 1)] == items
        return jnp.where(is_present, places, n_rows)

    marks = history.mask(n_rows, place_of)
    return marks[:, jnp.searchsorted(ordered, item_rows)]


def _mean_terms(losses: jax.Array) -> Terms:
    return losses.sum(), jnp.float32(losses.shape[0])
