"""Every loss, where floating point numbers are hardest: finite, and so is its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax import losses

WIDTH = 4
TEMPERATURE = 0.01


def _without_positives(anchors, candidates, labels):
    logits = anchors.astype(jnp.float32) @ candidates.astype(jnp.float32).T / TEMPERATURE
    none = jnp.zeros(logits.shape, bool)
    return losses.sincere_terms(logits, none, labels[:, None] != labels)


def _cross_modal(anchors, candidates, labels):
    sides = (anchors, candidates, anchors, candidates, labels, labels)
    return losses.cross_modal_terms(*sides, TEMPERATURE)


def _catalog(n_excluded):
    def loss(anchors, candidates, labels):
        rows = jnp.arange(len(anchors), dtype=jnp.int32)
        excluded = losses.ItemLists.from_rows(jnp.tile(rows[:n_excluded], (len(anchors), 1)))
        scores = losses.pair_scores(anchors, candidates, TEMPERATURE)
        bias = candidates.astype(jnp.float32).sum(axis=1)
        return losses.catalog_sincere_terms(
            scores, anchors, rows, candidates, excluded, TEMPERATURE, item_bias=bias, block_size=2
        )

    return loss


def _in_batch(anchors, candidates, labels):
    scores = losses.pair_scores(anchors, candidates, TEMPERATURE)
    return losses.in_batch_sincere_terms(
        scores, anchors, candidates, labels[:, None] == labels, TEMPERATURE
    )


def _bpr(keeps):
    def loss(anchors, candidates, labels):
        positive = losses.pair_scores(anchors, candidates, TEMPERATURE)
        negative = losses.pair_scores(anchors, candidates[::-1], TEMPERATURE)
        keep = labels != labels[::-1] if keeps else None
        return losses.bpr_terms(positive, negative, keep)

    return loss


LOSSES = {
    "sincere, without positives": _without_positives,
    "cross-modal": _cross_modal,
    "catalog": _catalog(0),
    "catalog, all seen": _catalog(9),
    "in batch": _in_batch,
    "bpr": _bpr(False),
    "bpr, some pairs": _bpr(True),
}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("n_rows", [1, 6])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_are_finite(name, n_rows, dtype):
    def mean(anchors, candidates, labels):
        total, count = LOSSES[name](anchors, candidates, labels)
        return total / jnp.maximum(count, 1.0)

    run = jax.jit(jax.value_and_grad(mean, argnums=(0, 1)))
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2, n_rows, WIDTH))
    values = []
    for magnitude in (0.0, 1.0, 1e4):  # as far as unnormalized embeddings go
        for labels in (np.zeros(n_rows, int), np.arange(n_rows), np.arange(n_rows) % 2):
            for made in (rows, np.broadcast_to(rows[:1, :1], rows.shape), -rows[::-1] * [[[1.0]]]):
                anchors, candidates = jnp.asarray(magnitude * made, dtype)
                value, gradients = run(anchors, candidates, jnp.asarray(labels, jnp.int32))
                assert np.isfinite(value) and value >= 0, (magnitude, labels)
                for gradient in gradients:
                    assert gradient.dtype == dtype
                    assert np.isfinite(np.asarray(gradient, np.float32)).all(), (magnitude, labels)
                values.append(float(value))
    if n_rows > 1 and name not in ("sincere, without positives", "catalog, all seen"):
        assert max(values) > 1e6  # the extremes were reached
