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
cross_modal_terms = jax.jit(
    sincere.cross_modal_terms, static_argnames=("average", "direction", "block_size")
)
label_sincere_terms = jax.jit(
    sincere.label_sincere_terms, static_argnames=("average", "block_size")
)
sincere_loss = jax.jit(sincere.sincere_loss, static_argnames="average")
sincere_terms = jax.jit(sincere.sincere_terms, static_argnames="average")

LABELS = np.array([0, 0, 1, 2, 2, 2, 3], np.int32)


def _logits(shape, seed=0, scale=3.0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * scale


def _unit_rows(shape, seed=0):
    rows = _logits(shape, seed)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _masks(labels):
    positives = labels[:, None] == labels
    return positives, ~positives


@pytest.mark.parametrize("average", ["anchor", "pair"])
def test_matches_a_float64_triple_loop(average):
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 3, (6, 9))  # positive, negative, or neither
    logits, positives, negatives = _logits((6, 9)), kinds == 0, kinds == 1
    np.testing.assert_allclose(
        sincere_loss(logits, positives, negatives, average=average),
        oracles.sincere(logits, positives, negatives, average),
        rtol=1e-5,
    )


def test_the_averages_differ_where_anchors_have_unequal_positives():
    logits, (positives, negatives) = _logits((7, 7)), _masks(LABELS)
    by_anchor = sincere_loss(logits, positives, negatives, average="anchor")
    by_pair = sincere_loss(logits, positives, negatives, average="pair")
    assert abs(by_anchor - by_pair) > 0.01


def test_pair_average_is_optax_ntxent_on_unit_vectors():
    embeddings = _unit_rows((7, 4))
    positives, negatives = _masks(LABELS)
    np.fill_diagonal(positives, False)  # ntxent leaves the anchor itself out
    ours = sincere_loss(embeddings @ embeddings.T / 0.2, positives, negatives, average="pair")
    theirs = jax.jit(optax.ntxent)(embeddings, LABELS, temperature=0.2)
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


@pytest.mark.parametrize("average", ["anchor", "pair"])
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
def test_loss_and_gradient_are_finite(positives, negatives, average, scale):
    positives, negatives = np.array(positives, bool), np.array(negatives, bool)
    logits = _logits((2, 3)) * np.float32(scale)
    gradient = jax.grad(sincere_loss)(logits, positives, negatives, average=average)
    loss = sincere_loss(logits, positives, negatives, average=average)
    expected = oracles.sincere(logits, positives, negatives, average) if positives.any() else 0.0
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert np.isfinite(gradient).all()
    if not negatives.any() or not positives.any():
        np.testing.assert_array_equal(gradient, 0.0)


def test_anchors_without_positives_are_not_counted():
    positives = np.array([[True, False], [False, False]])
    _, count = sincere_terms(_logits((2, 2)), positives, ~positives)
    assert count == 1.0


def test_an_unknown_average_is_refused():
    with pytest.raises(ValueError, match="average is 'mean'"):
        sincere_terms(
            _logits((2, 2)), np.eye(2, dtype=bool), ~np.eye(2, dtype=bool), average="mean"
        )


# More candidates than anchors, and an anchor without a positive.
ANCHOR_LABELS = np.array([0, 2, 5, 1], np.int32)


def _label_case(labels=ANCHOR_LABELS):
    return _unit_rows((len(labels), 4), 3), _unit_rows((7, 4), 4), labels


@pytest.mark.parametrize("average", ["anchor", "pair"])
@pytest.mark.parametrize("block_size", [1, 3, 7, 64])
def test_labels_in_blocks_equal_a_float64_loop_and_the_dense_gradients(average, block_size):
    anchors, candidates, labels = _label_case()

    def dense(anchors, candidates):
        positives = labels[:, None] == LABELS
        return sincere_terms(anchors @ candidates.T / 0.2, positives, ~positives, average=average)

    def in_blocks(anchors, candidates):
        return label_sincere_terms(
            anchors, candidates, labels, LABELS, 0.2, average=average, block_size=block_size
        )

    total, count = in_blocks(anchors, candidates)
    logits = anchors.astype(np.float64) @ candidates.astype(np.float64).T / 0.2
    positives = labels[:, None] == LABELS
    expected = oracles.sincere(logits, positives, ~positives, average)
    np.testing.assert_allclose(total / count, expected, rtol=1e-5)
    assert count == (3 if average == "anchor" else positives.sum())
    gradients = (
        jax.grad(terms, (0, 1), has_aux=True)(anchors, candidates)[0]
        for terms in (in_blocks, dense)
    )
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@settings(max_examples=25)
@given(st.data(), st.sampled_from(["anchor", "pair"]), st.sampled_from([1, 2, 64]))
def test_any_labels_in_any_blocks_equal_a_float64_loop(data, average, block_size):
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
    total, count = label_sincere_terms(
        *rows, *labels, temperature, average=average, block_size=block_size
    )
    logits = rows[0].astype(np.float64) @ rows[1].astype(np.float64).T / temperature
    positives = labels[0][:, None] == labels[1]
    n_pairs = positives.sum(axis=1)
    assert count == ((n_pairs > 0).sum() if average == "anchor" else n_pairs.sum())
    expected = oracles.sincere(logits, positives, ~positives, average) if count else 0.0
    np.testing.assert_allclose(total / max(count, 1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("block_size", [2, 64])
def test_anchors_with_one_label_alone_have_no_loss_and_no_gradient(block_size):
    """All candidates are positives: there is nothing to tell them from."""
    anchors, candidates, labels = _label_case(np.zeros(4, np.int32))

    def total(anchors, candidates):
        same = np.zeros(7, np.int32)
        return label_sincere_terms(anchors, candidates, labels, same, 0.2, block_size=block_size)[0]

    value, gradients = jax.value_and_grad(total, (0, 1))(anchors, candidates)
    assert value == 0.0
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("block_size", [2, 64])
def test_another_positive_is_no_negative_in_blocks_either(block_size):
    # Candidates 0 and 1 have the anchor's label: their share of the gradient is their own loss's.
    anchors = np.float32([[1.0]])
    candidates = np.float32([[1.0], [40.0], [0.0], [-1.0]])

    def total(candidates):
        labels = np.array([0, 0, 1, 2]), np.array([0])
        return label_sincere_terms(
            anchors, candidates, labels[1], labels[0], 1.0, block_size=block_size
        )[0]

    value, gradient = jax.value_and_grad(total)(candidates)
    mass = 1 + np.exp(-1.0)
    np.testing.assert_allclose(value, np.log1p(mass * np.exp(-1.0)) / 2, rtol=1e-5)
    assert -1e-15 < gradient[1] < 0.0  # far ahead: almost nothing is left to gain
    slope = -mass / (np.e + mass) / 2
    np.testing.assert_allclose(gradient[0], slope, rtol=1e-5)


@pytest.mark.parametrize("block_size", [3, 64])
def test_an_unknown_average_of_labels_is_refused(block_size):
    anchors, candidates, labels = _label_case()
    with pytest.raises(ValueError, match="average is 'mean'"):
        label_sincere_terms(
            anchors, candidates, labels, LABELS, 1.0, average="mean", block_size=block_size
        )


def _symmetric_oracle(graph, text, labels, temperature, average="anchor"):
    similarity = graph.astype(np.float64) @ text.astype(np.float64).T / temperature
    positives, negatives = _masks(labels)
    rows = oracles.sincere(similarity, positives, negatives, average)
    columns = oracles.sincere(similarity.T, positives, negatives, average)
    return rows, columns


@pytest.mark.parametrize("average", ["anchor", "pair"])
def test_cross_modal_is_half_rows_and_half_columns(average):
    graph, text = _unit_rows((7, 4), 1), _unit_rows((7, 4), 2)
    total, count = cross_modal_terms(
        graph, text, graph, text, LABELS, LABELS, 0.1, average=average, block_size=64
    )
    rows, columns = _symmetric_oracle(graph, text, LABELS, 0.1, average)
    assert abs(rows - columns) > 0.01  # the matrix is asymmetric, so the direction shows
    np.testing.assert_allclose(total / count, (rows + columns) / 2, rtol=1e-5)


def test_cross_modal_directions_read_the_right_side():
    # Local rows differ from the gathered ones, so that each direction can be told from the other.
    graph, text = _unit_rows((7, 4), 1), _unit_rows((7, 4), 2)
    first, rest = slice(0, 3), slice(3, 7)
    parts = [
        cross_modal_terms(
            graph[part], text[part], graph, text, LABELS[part], LABELS, 0.1, block_size=3
        )
        for part in (first, rest)
    ]
    total, count = (sum(values) for values in zip(*parts, strict=True))
    rows, columns = _symmetric_oracle(graph, text, LABELS, 0.1)
    np.testing.assert_allclose(total / count, (rows + columns) / 2, rtol=1e-5)
    assert count == 7.0


@pytest.mark.parametrize(
    ("rows", "magnitude", "dtype"),
    [(1, 1.0, jnp.float32), (7, 1e4, jnp.float32), (7, 1e4, jnp.bfloat16)],
)
def test_cross_modal_is_finite_at_the_extremes(rows, dtype, magnitude):
    graph = jnp.asarray(_unit_rows((rows, 8), 1) * magnitude, dtype)
    text = jnp.asarray(_unit_rows((rows, 8), 2) * magnitude, dtype)
    labels = LABELS[:rows]

    def loss(graph, text):
        total, count = cross_modal_terms(
            graph, text, graph, text, labels, labels, 0.01, block_size=3
        )
        return total / count

    value, gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))(graph, text)
    assert value.dtype == jnp.float32
    assert np.isfinite(value)
    assert all(np.isfinite(np.asarray(gradient, np.float32)).all() for gradient in gradients)
    if rows == 1:
        assert value == 0.0  # one row has no negatives


def test_bfloat16_input_is_computed_in_float32():
    graph, text = (jnp.asarray(_unit_rows((7, 64), seed), jnp.bfloat16) for seed in (1, 2))
    total, count = cross_modal_terms(graph, text, graph, text, LABELS, LABELS, 0.05, block_size=3)
    exact = [np.asarray(x.astype(jnp.float32)) for x in (graph, text)]
    np.testing.assert_allclose(
        total / count, sum(_symmetric_oracle(*exact, LABELS, 0.05)) / 2, rtol=1e-5
    )
