import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from symcere_jax.losses import sincere

from . import oracles

# Compiled, as the training runs them.
cross_modal_terms = jax.jit(sincere.cross_modal_terms, static_argnames="direction")
sincere_loss = jax.jit(sincere.sincere_loss)
sincere_terms = jax.jit(sincere.sincere_terms)

LABELS = np.array([0, 0, 1, 2, 2, 2, 3], np.int32)


def _logits(shape, seed=0, scale=3.0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * scale


def _unit_rows(shape, seed=0):
    rows = _logits(shape, seed)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _masks(labels):
    positives = labels[:, None] == labels
    return positives, ~positives


def test_matches_a_float64_triple_loop():
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 3, (6, 9))  # positive, negative, or neither
    logits, positives, negatives = _logits((6, 9)), kinds == 0, kinds == 1
    np.testing.assert_allclose(
        sincere_loss(logits, positives, negatives),
        oracles.sincere(logits, positives, negatives),
        rtol=1e-5,
    )


def test_equal_numbers_of_positives_give_optax_ntxent_on_unit_vectors():
    embeddings, labels = _unit_rows((6, 4)), np.array([0, 1, 2, 2, 1, 0])
    positives, negatives = _masks(labels)
    np.fill_diagonal(positives, False)  # ntxent leaves the anchor itself out
    ours = sincere_loss(embeddings @ embeddings.T / 0.2, positives, negatives)
    theirs = jax.jit(optax.ntxent)(embeddings, labels, temperature=0.2)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_what_is_in_neither_mask_has_no_effect_and_no_gradient():
    logits, (positives, negatives) = _logits((7, 7)), _masks(LABELS)
    negatives[0, 3] = False
    positives[3, 4] = positives[4, 3] = False
    is_excluded = ~(positives | negatives)
    gradient = np.asarray(jax.grad(sincere_loss)(logits, positives, negatives))
    np.testing.assert_array_equal(gradient[is_excluded], 0.0)
    assert np.abs(gradient[negatives]).min() > 0.0
    changed = np.where(is_excluded, 50.0, logits).astype(np.float32)
    assert sincere_loss(changed, positives, negatives) == sincere_loss(logits, positives, negatives)


def test_another_positive_is_not_in_the_denominator():
    # With a second positive far ahead, InfoNCE would punish the first; SINCERE does not.
    logits = np.float32([[1.0, 40.0, 0.0]])
    positives = np.array([[True, True, False]])
    loss = sincere_loss(logits, positives, ~positives)
    np.testing.assert_allclose(loss, np.log1p(np.exp(-1.0)) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("positives", "negatives"),
    [
        pytest.param([[0, 0, 0], [1, 0, 0]], [[1, 1, 1], [0, 1, 1]], id="anchor without positives"),
        pytest.param([[1, 1, 0], [0, 1, 0]], [[0, 0, 0], [0, 0, 0]], id="no negatives at all"),
        pytest.param([[0, 0, 0], [0, 0, 0]], [[0, 1, 0], [1, 0, 0]], id="no positives at all"),
        pytest.param([[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]], id="nothing"),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_loss_and_gradient_are_finite(positives, negatives, scale):
    positives, negatives = np.array(positives, bool), np.array(negatives, bool)
    logits = _logits((2, 3)) * np.float32(scale)
    gradient = jax.grad(sincere_loss)(logits, positives, negatives)
    loss = sincere_loss(logits, positives, negatives)
    expected = oracles.sincere(logits, positives, negatives) if positives.any() else 0.0
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert np.isfinite(gradient).all()
    if not negatives.any() or not positives.any():
        np.testing.assert_array_equal(gradient, 0.0)


def test_anchors_without_positives_are_not_counted():
    positives = np.array([[True, False], [False, False]])
    _, count = sincere_terms(_logits((2, 2)), positives, ~positives)
    assert count == 1.0


@settings(max_examples=25)
@given(st.data())
def test_any_labels_equal_a_float64_loop(data):
    # Few shapes, each compiled once.
    n_anchors, n_candidates = data.draw(st.sampled_from([(1, 1), (1, 5), (4, 5)]))
    temperature = data.draw(st.sampled_from([0.01, 0.1, 1.0]))
    rows = [
        data.draw(arrays(np.float32, (n, 3), elements=st.floats(-1, 1, width=16)))
        for n in (n_anchors, n_candidates)
    ]
    labels = [
        np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), np.int32)
        for n in (n_anchors, n_candidates)
    ]
    nothing = np.zeros_like(rows[0]), np.zeros_like(rows[1])
    total, count = cross_modal_terms(
        rows[0], nothing[0], nothing[1], rows[1], *labels, temperature, direction="graph_to_text"
    )
    logits = rows[0].astype(np.float64) @ rows[1].astype(np.float64).T / temperature
    positives = labels[0][:, None] == labels[1]
    assert count == positives.any(axis=1).sum()
    expected = oracles.sincere(logits, positives, ~positives) if count else 0.0
    np.testing.assert_allclose(total / max(count, 1), expected, rtol=1e-4, atol=1e-4)


def _symmetric_oracle(graph, text, labels, temperature):
    similarity = graph.astype(np.float64) @ text.astype(np.float64).T / temperature
    positives, negatives = _masks(labels)
    rows = oracles.sincere(similarity, positives, negatives)
    columns = oracles.sincere(similarity.T, positives, negatives)
    return rows, columns


def test_cross_modal_is_half_rows_and_half_columns():
    graph, text = _unit_rows((7, 4), 1), _unit_rows((7, 4), 2)
    total, count = cross_modal_terms(graph, text, graph, text, LABELS, LABELS, 0.1)
    rows, columns = _symmetric_oracle(graph, text, LABELS, 0.1)
    assert abs(rows - columns) > 0.01  # the matrix is asymmetric, so the direction shows
    np.testing.assert_allclose(total / count, (rows + columns) / 2, rtol=1e-5)


def test_cross_modal_directions_read_the_right_side():
    # Local rows differ from the gathered ones, so that each direction can be told from the other.
    graph, text = _unit_rows((7, 4), 1), _unit_rows((7, 4), 2)
    first, rest = slice(0, 3), slice(3, 7)
    parts = [
        cross_modal_terms(graph[part], text[part], graph, text, LABELS[part], LABELS, 0.1)
        for part in (first, rest)
    ]
    total, count = (sum(values) for values in zip(*parts, strict=True))
    rows, columns = _symmetric_oracle(graph, text, LABELS, 0.1)
    np.testing.assert_allclose(total / count, (rows + columns) / 2, rtol=1e-5)
    assert count == 7.0


def test_bfloat16_input_is_computed_in_float32():
    graph, text = (jnp.asarray(_unit_rows((7, 64), seed), jnp.bfloat16) for seed in (1, 2))
    total, count = cross_modal_terms(graph, text, graph, text, LABELS, LABELS, 0.05)
    exact = [np.asarray(x.astype(jnp.float32)) for x in (graph, text)]
    np.testing.assert_allclose(
        total / count, sum(_symmetric_oracle(*exact, LABELS, 0.05)) / 2, rtol=1e-5
    )
