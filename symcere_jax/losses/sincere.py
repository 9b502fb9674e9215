"""SINCERE: the supervised contrastive loss whose denominator holds no other positive.

Source: P. Feeney, M. C. Hughes, "SINCERE: Supervised Information Noise-Contrastive Estimation
REvisited", arXiv 2309.14277; applied in both directions between graph and text as SymCERE,
arXiv 2504.02195, does.

Losses come as terms `(sum, count)`, so that devices can add theirs before they divide: with
`psum(sum) / psum(count)` the loss is the same on any number of devices.
"""

import functools
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from symcere_jax.losses.logsumexp import candidate_blocks, lazy_logsumexp, masked_logsumexp

Average = Literal["anchor", "pair"]
Direction = Literal["both", "graph_to_text", "text_to_graph"]
Terms = tuple[jax.Array, jax.Array]


def sincere_terms(
    logits: jax.Array,
    positives: jax.Array,
    negatives: jax.Array,
    *,
    average: Average = "anchor",
) -> Terms:
    """Sum and count of the SINCERE loss of each anchor against its candidates.

    For each positive pair (a, b):
    `ℓ(a,b) = −s_ab + log( exp(s_ab) + Σ_{n ∈ negatives_a} exp(s_an) )`.

    Args:
        logits: float `[a, c]`, similarity over temperature of anchor and candidate.
        positives: bool `[a, c]`, which candidates are positives of an anchor.
        negatives: bool `[a, c]`, disjoint from `positives`. A candidate in neither is left out of
            the loss: its softmax probability and its gradient are exactly 0.
        average: "anchor" takes the mean over an anchor's positives, then counts anchors that have
            a positive; "pair" counts positive pairs.

    Returns:
        float32 scalars (sum of the losses, number of anchors or pairs).

    Raises:
        ValueError: `average` is unknown.
    """
    _check_average(average)
    logits = logits.astype(jnp.float32)
    negative_logsumexp = masked_logsumexp(logits, negatives)
    # −s + log(exp(s) + exp(m)) = softplus(m − s), which is 0 without negatives (m = −∞).
    losses = jnp.where(positives, jax.nn.softplus(negative_logsumexp[:, None] - logits), 0.0)
    return _average(losses.sum(axis=1), positives.sum(axis=1), average)


def sincere_loss(
    logits: jax.Array,
    positives: jax.Array,
    negatives: jax.Array,
    *,
    average: Average = "anchor",
) -> jax.Array:
    """SINCERE loss on one device: the mean of `sincere_terms`, 0 without any positive.

    Args:
        logits: float `[a, c]`, similarity over temperature of anchor and candidate.
        positives: bool `[a, c]`.
        negatives: bool `[a, c]`, disjoint from `positives`.
        average: see `sincere_terms`.

    Returns:
        float32 scalar.
    """
    total, count = sincere_terms(logits, positives, negatives, average=average)
    return total / jnp.maximum(count, 1.0)


def label_sincere_terms(
    anchors: jax.Array,
    candidates: jax.Array,
    anchor_labels: jax.Array,
    candidate_labels: jax.Array,
    temperature: jax.Array | float,
    *,
    average: Average = "anchor",
    block_size: int,
) -> Terms:
    """SINCERE where candidates of the anchor's label are positives and all others negatives.

    What `sincere_terms` gives for `anchors @ candidates.T / τ`, with memory `O(a × block_size)`.

    Args:
        anchors: float `[a, d]`.
        candidates: float `[c, d]`.
        anchor_labels: int32 `[a]`, say the item of each row.
        candidate_labels: int32 `[c]`.
        temperature: τ > 0.
        average: see `sincere_terms`.
        block_size: number of candidates whose logits are held at once.

    Returns:
        float32 scalars (sum of the losses, number of anchors or pairs).

    Raises:
        ValueError: `average` is unknown.
    """
    anchors = anchors.astype(jnp.float32) / temperature
    n_candidates = candidates.shape[0]
    if n_candidates <= block_size:
        positives = anchor_labels[:, None] == candidate_labels
        logits = anchors @ candidates.astype(jnp.float32).T
        return sincere_terms(logits, positives, ~positives, average=average)
    _check_average(average)

    def same_label(rows: jax.Array) -> jax.Array:
        return anchor_labels[:, None] == candidate_labels[rows]

    mass = lazy_logsumexp(anchors, candidates, None, same_label, block_size=block_size)

    @jax.checkpoint
    def step(
        sums: tuple[jax.Array, jax.Array], block: tuple[jax.Array, ...]
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
        of_block, _, rows = block
        positives = same_label(rows) & (rows < n_candidates)
        losses = jax.nn.softplus(mass[:, None] - anchors @ of_block.T)
        total = sums[0] + jnp.where(positives, losses, 0.0).sum(axis=1)
        return (total, sums[1] + positives.sum(axis=1)), None

    n_anchors = anchors.shape[0]
    start = (jnp.zeros(n_anchors), jnp.zeros(n_anchors, jnp.int32))
    blocks = candidate_blocks(candidates, jnp.zeros(n_candidates), block_size)
    return _average(*jax.lax.scan(step, start, blocks)[0], average)


def cross_modal_terms(
    graph_local: jax.Array,
    text_local: jax.Array,
    graph_all: jax.Array,
    text_all: jax.Array,
    labels_local: jax.Array,
    labels_all: jax.Array,
    temperature: jax.Array | float,
    *,
    average: Average = "anchor",
    direction: Direction = "both",
    block_size: int,
) -> Terms:
    """Symmetric SINCERE between graph and text: half graph→text, half text→graph.

    With `S = G Tᵀ / τ`, graph→text reads the rows of S and text→graph its columns. Rows of an equal
    label are positives, an anchor's own row among them; rows of another label are negatives.

    On several devices each passes its own `a` rows as anchors and the gathered `c` rows of all
    devices as candidates; on one device both are the same arrays.

    Args:
        graph_local: float `[a, d]`, graph embeddings of this device's rows.
        text_local: float `[a, d]`, text embeddings of the same rows.
        graph_all: float `[c, d]`, graph embeddings of all devices' rows.
        text_all: float `[c, d]`, text embeddings of all devices' rows.
        labels_local: int32 `[a]`, say the item of each row.
        labels_all: int32 `[c]`.
        temperature: τ > 0.
        average: see `sincere_terms`.
        direction: "both", or one of them alone, which is then not symmetric.
        block_size: number of candidates whose logits are held at once.

    Returns:
        float32 scalars (sum, for both directions half the sum of theirs, number of anchors or
        pairs of one direction).

    Raises:
        ValueError: `direction` or `average` is unknown.
    """
    if direction not in get_args(Direction):
        known = ", ".join(get_args(Direction))
        raise ValueError(f"direction is {direction!r}, must be one of {known}")
    terms = functools.partial(
        label_sincere_terms,
        anchor_labels=labels_local,
        candidate_labels=labels_all,
        temperature=temperature,
        average=average,
        block_size=block_size,
    )
    directions = []
    if direction != "text_to_graph":
        directions.append(terms(graph_local, text_all))
    if direction != "graph_to_text":
        directions.append(terms(text_local, graph_all))
    total = functools.reduce(jnp.add, [total for total, _ in directions])
    return total / len(directions), directions[0][1]


def _check_average(average: Average) -> None:
    if average not in get_args(Average):
        raise ValueError(f"average is {average!r}, must be 'anchor' or 'pair'")


def _average(losses: jax.Array, n_positives: jax.Array, average: Average) -> Terms:
    """Terms of the losses `[a]` of anchors, each summed over its positives."""
    if average == "pair":
        return losses.sum(), n_positives.sum().astype(jnp.float32)
    anchor_losses = losses / jnp.maximum(n_positives, 1)
    return anchor_losses.sum(), (n_positives > 0).sum().astype(jnp.float32)
