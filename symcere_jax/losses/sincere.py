"""SINCERE: the supervised contrastive loss whose denominator holds no other positive.

Source: P. Feeney, M. C. Hughes, "SINCERE: Supervised Information Noise-Contrastive Estimation
REvisited", arXiv 2309.14277; applied in both directions between graph and text as SymCERE,
arXiv 2504.02195, does.

Losses come as terms `(sum, count)`, so that devices can add theirs before they divide: with
`psum(sum) / psum(count)` the loss is the same on any number of devices.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from symcere_jax.losses.logsumexp import masked_logsumexp

Direction = Literal["both", "graph_to_text", "text_to_graph"]
Terms = tuple[jax.Array, jax.Array]


def sincere_terms(logits: jax.Array, positives: jax.Array, negatives: jax.Array) -> Terms:
    """Sum and count of the SINCERE loss of each anchor against its candidates.

    For each positive pair (a, b):
    `ℓ(a,b) = −s_ab + log( exp(s_ab) + Σ_{n ∈ negatives_a} exp(s_an) )`; the loss of an anchor is
    the mean over its positives.

    Args:
        logits: float `[a, c]`, similarity over temperature of anchor and candidate.
        positives: bool `[a, c]`, which candidates are positives of an anchor.
        negatives: bool `[a, c]`, disjoint from `positives`. A candidate in neither is left out of
            the loss: its softmax probability and its gradient are exactly 0.

    Returns:
        float32 scalars (sum of the losses, number of anchors that have a positive).
    """
    logits = logits.astype(jnp.float32)
    negative_logsumexp = masked_logsumexp(logits, negatives)
    # −s + log(exp(s) + exp(m)) = softplus(m − s), which is 0 without negatives (m = −∞).
    losses = jnp.where(positives, jax.nn.softplus(negative_logsumexp[:, None] - logits), 0.0)
    n_positives = positives.sum(axis=1)
    anchor_losses = losses.sum(axis=1) / jnp.maximum(n_positives, 1)
    return anchor_losses.sum(), (n_positives > 0).sum().astype(jnp.float32)


def sincere_loss(logits: jax.Array, positives: jax.Array, negatives: jax.Array) -> jax.Array:
    """The mean of `sincere_terms`, on one device; 0 without any positive."""
    total, count = sincere_terms(logits, positives, negatives)
    return total / jnp.maximum(count, 1.0)


def cross_modal_terms(
    graph_local: jax.Array,
    text_local: jax.Array,
    graph_all: jax.Array,
    text_all: jax.Array,
    labels_local: jax.Array,
    labels_all: jax.Array,
    temperature: jax.Array | float,
    *,
    direction: Direction = "both",
) -> Terms:
    """Symmetric SINCERE between graph and text: half graph→text, half text→graph.

    With `S = G Tᵀ / τ`, graph→text reads the rows of S and text→graph its columns. Rows with
    the same label are positives, including the anchor's own row; the others are negatives.

    On several devices, each passes its own `a` rows as anchors and the gathered `c` rows of all
    devices as candidates; on one device both are the same arrays.

    Args:
        graph_local: float `[a, d]`, graph embeddings of this device's rows.
        text_local: float `[a, d]`, text embeddings of the same rows.
        graph_all: float `[c, d]`, graph embeddings of all devices' rows.
        text_all: float `[c, d]`, text embeddings of all devices' rows.
        labels_local: int32 `[a]`, say the item of each row.
        labels_all: int32 `[c]`.
        temperature: τ > 0.
        direction: "both", or one alone, which is not symmetric.

    Returns:
        float32 scalars (sum, for both directions half the sum of theirs, number of anchors of one
        direction).
    """
    sides = {"graph_to_text": (graph_local, text_all), "text_to_graph": (text_local, graph_all)}
    positives = labels_local[:, None] == labels_all
    directions = []
    for name, (anchors, candidates) in sides.items():
        if direction in (name, "both"):
            anchors = anchors.astype(jnp.float32) / temperature
            logits = anchors @ candidates.astype(jnp.float32).T
            directions.append(sincere_terms(logits, positives, ~positives))
    total = sum((total for total, _ in directions[1:]), start=directions[0][0])
    return total / len(directions), directions[0][1]
