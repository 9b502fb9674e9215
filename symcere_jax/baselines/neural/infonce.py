"""InfoNCE between two views of the distinct users or items of a batch."""

import jax
import jax.numpy as jnp

from symcere_jax.models import normalize_rows


def distinct(rows: jax.Array, n_rows: int) -> tuple[jax.Array, jax.Array]:
    """The distinct rows of a batch, in an array of fixed size.

    Args:
        rows: int32 `[b]`, with repeats, out of `n_rows` possible ones.
        n_rows: how many distinct rows there can be at most.

    Returns:
        int32 `[min(b, n_rows)]`, ascending, padded with repeats of the smallest one; and bool of
        the same shape, False for the padding.
    """
    size = min(len(rows), n_rows)
    unique = jnp.unique(rows, size=size)
    return unique, jnp.append(True, unique[1:] > unique[:-1])


def infonce(
    anchors: jax.Array, candidates: jax.Array, counts: jax.Array, temperature: jax.Array | float
) -> jax.Array:
    """`mean_a −log( exp(s_aa/τ) / Σ_b exp(s_ab/τ) )`, with s the cosine.

    Args:
        anchors: float `[n, d]`, one view.
        candidates: float `[n, d]`, the other one; row a is the positive of anchor a.
        counts: bool `[n]`, which rows count, as anchors and as candidates.
        temperature: τ > 0.

    Returns:
        float32 scalar.
    """
    logits = normalize_rows(anchors) @ normalize_rows(candidates).T / temperature
    mass = jax.nn.logsumexp(logits, axis=1, where=counts)
    return jnp.mean(mass - jnp.diagonal(logits), where=counts)
