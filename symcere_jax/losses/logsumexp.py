"""Log-sum-exp over negatives: masked, and over many candidates without their logits in memory."""

import flax.struct
import jax
import jax.numpy as jnp

from symcere_jax.losses.item_lists import ItemLists, ItemRows


@flax.struct.dataclass
class ExcludedCandidates:
    """Candidates that are no negatives of an anchor."""

    lists: ItemLists | None  # items of each anchor, `[a]`; repeats are allowed
    # Candidate row of each item in the lists; None: item i is candidate i.
    rows: ItemRows | None = None
    # int32 `[a]`, one more candidate row of each anchor; None: there is none.
    positives: jax.Array | None = None

    def mask(self, first_row: jax.Array | int, n_rows: int) -> jax.Array:
        """Which of the rows `first_row … first_row + n_rows - 1` are excluded for each anchor.

        A mask of bytes: on CPU five times as fast as writing −∞ into the float logits, and its
        transpose is never needed.

        Returns:
            bool `[a, n_rows]`.
        """

        def column_of(items: jax.Array) -> jax.Array:
            rows = items if self.rows is None else self.rows.of(items)
            return rows - first_row

        marks = self.lists.mask(n_rows, column_of) if self.lists else jnp.zeros((), bool)
        if self.positives is None:
            return marks
        return marks | (self.positives[:, None] == first_row + jnp.arange(n_rows))


def masked_logsumexp(logits: jax.Array, keep: jax.Array) -> jax.Array:
    """Log-sum-exp of the kept logits of each row.

    `log Σ_{j: keep_aj} exp(logits_aj)`; −∞ with a gradient of 0 for a row that keeps nothing.

    Args:
        logits: float32 `[a, c]`, finite or −∞.
        keep: bool `[a, c]`.

    Returns:
        float32 `[a]`.
    """
    logits = jnp.where(keep, logits, -jnp.inf)
    largest = jax.lax.stop_gradient(_finite(logits.max(axis=1, initial=-jnp.inf)))
    total = jnp.exp(logits - largest[:, None]).sum(axis=1)
    # The inner `where` keeps log'(0) = ∞, and with it NaN, out of the gradient of an empty row.
    empty = total == 0.0
    return jnp.where(empty, -jnp.inf, largest + jnp.log(jnp.where(empty, 1.0, total)))


def blockwise_logsumexp(
    anchors: jax.Array,
    candidates: jax.Array,
    bias: jax.Array | None,
    excluded: ExcludedCandidates,
    *,
    block_size: int,
) -> jax.Array:
    """Log-sum-exp of the anchors' logits over all candidates but the excluded ones.

    `L_a = log Σ_{j ∉ excluded_a} exp(anchors_a · candidates_j + bias_j)`. The candidates are
    scanned in blocks and the backward pass computes the logits again, so memory is
    `O(a × block_size)`, for any number of candidates (the recomputation of FlashAttention,
    arXiv 2205.14135). All arithmetic is float32.

    Args:
        anchors: float `[a, d]`, already divided by the temperature.
        candidates: float `[c, d]`.
        bias: float `[c]` added to the logits, or None.
        excluded: the candidates that each anchor leaves out.
        block_size: largest number of candidates whose logits are held at once.

    Returns:
        float32 `[a]`; −∞, with a gradient of 0, for an anchor that has no candidate left.
    """
    n_candidates, width = candidates.shape
    anchors = anchors.astype(jnp.float32)
    candidates = candidates.astype(jnp.float32)
    bias = jnp.zeros(n_candidates) if bias is None else bias.astype(jnp.float32)
    if n_candidates <= block_size:
        # The logits fit: keeping them for the backward pass saves a matmul.
        return masked_logsumexp(anchors @ candidates.T + bias, ~excluded.mask(0, n_candidates))
    n_blocks = -(-n_candidates // block_size)
    block = -(-n_candidates // n_blocks)  # blocks of equal size: the least padding
    padding = n_blocks * block - n_candidates
    candidates = jnp.pad(candidates, ((0, padding), (0, 0))).reshape(n_blocks, block, width)
    bias = jnp.pad(bias, (0, padding), constant_values=-jnp.inf).reshape(n_blocks, block)
    return _scanned_logsumexp(anchors, candidates, bias, excluded)


@jax.custom_vjp
def _scanned_logsumexp(
    anchors: jax.Array, candidates: jax.Array, bias: jax.Array, excluded: ExcludedCandidates
) -> jax.Array:
    """`blockwise_logsumexp` of candidates `[n_blocks, block, d]` with bias `[n_blocks, block]`."""

    def step(
        carry: tuple[jax.Array, jax.Array], block: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
        largest, total = carry
        logits = _block_logits(anchors, excluded, *block)
        new_largest = jnp.maximum(largest, logits.max(axis=1))
        shift = _finite(new_largest)
        total = total * jnp.exp(largest - shift) + jnp.exp(logits - shift[:, None]).sum(axis=1)
        return (new_largest, total), None

    n_anchors = anchors.shape[0]
    start = (jnp.full(n_anchors, -jnp.inf), jnp.zeros(n_anchors))
    (largest, total), _ = jax.lax.scan(step, start, _blocks(candidates, bias))
    return _finite(largest) + jnp.log(total)


def _forward(
    anchors: jax.Array, candidates: jax.Array, bias: jax.Array, excluded: ExcludedCandidates
) -> tuple[jax.Array, tuple]:
    result = _scanned_logsumexp(anchors, candidates, bias, excluded)
    return result, (anchors, candidates, bias, excluded, result)


def _backward(
    residuals: tuple, gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    anchors, candidates, bias, excluded, result = residuals

    def step(
        anchor_gradient: jax.Array, block: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        logits = _block_logits(anchors, excluded, *block)
        # Probabilities times the incoming gradient; exp(−∞) = 0 where nothing is left. No logit is
        # above the result, but for the rounding of a product that was fused in another way.
        log_probabilities = jnp.minimum(logits - _finite(result)[:, None], 0.0)
        weights = gradient[:, None] * jnp.exp(log_probabilities)
        anchor_gradient += weights @ block[0]
        return anchor_gradient, (weights.T @ anchors, weights.sum(axis=0))

    anchor_gradient, (candidate_gradient, bias_gradient) = jax.lax.scan(
        step, jnp.zeros_like(anchors), _blocks(candidates, bias)
    )
    return anchor_gradient, candidate_gradient, bias_gradient, None


_scanned_logsumexp.defvjp(_forward, _backward)


def _blocks(candidates: jax.Array, bias: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What the scan runs over: candidates, bias and first row of each block."""
    n_blocks, block, _ = candidates.shape
    return candidates, bias, jnp.arange(n_blocks, dtype=jnp.int32) * block


def _block_logits(
    anchors: jax.Array,
    excluded: ExcludedCandidates,
    candidates: jax.Array,
    bias: jax.Array,
    first_row: jax.Array,
) -> jax.Array:
    """Logits `[a, block]` of one block, −∞ where excluded."""
    is_excluded = excluded.mask(first_row, candidates.shape[0])
    return jnp.where(is_excluded, -jnp.inf, anchors @ candidates.T + bias)


def _finite(maximum: jax.Array) -> jax.Array:
    """The maximum of some logits as a shift for `exp`: 0 where there were none."""
    return jnp.where(jnp.isneginf(maximum), 0.0, maximum)
