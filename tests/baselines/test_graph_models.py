import math

import jax
import numpy as np
import pytest

from symcere_jax.baselines.graph_models import (
    AlphaRec,
    LightGcn,
    SimGcl,
    TextAligned,
    TextProjection,
    distinct,
    infonce,
)

from . import small

TEXT_WIDTH, WIDTH = 6, 4
TEXT = np.random.default_rng(4).standard_normal((16, TEXT_WIDTH)).astype(np.float32)


def _layers(x, n_layers):
    """`A^l x` for l = 0..L."""
    return [np.linalg.matrix_power(small.adjacency(), layer) @ x for layer in range(n_layers + 1)]


def _project(projection, features):
    """Two layers; leaky between them."""
    first, second = (
        {name: np.asarray(value, np.float64) for name, value in projection[layer].items()}
        for layer in ("Dense_0", "Dense_1")
    )
    hidden = features @ first["kernel"] + first["bias"]
    return np.where(hidden > 0, hidden, 0.01 * hidden) @ second["kernel"] + second["bias"]


def _projection():
    projection = TextProjection(WIDTH).init(jax.random.key(0), TEXT)["params"]
    assert projection["Dense_0"]["kernel"].shape == (TEXT_WIDTH, 5)
    return jax.tree.map(lambda leaf: leaf + 0.1, projection)  # no bias is 0


def _loss(model, params, text=None, seed=0):
    """The loss of `small.batch()`, and its gradients, which reach all parameters."""
    value, gradients = jax.jit(jax.value_and_grad(model.loss))(
        params, small.inputs(text), small.batch(), jax.random.key(seed)
    )
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradients))
    return float(value)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_lightgcn_embeddings_are_means_over_layers(n_layers):
    params = {"embedding": small.embedding()}
    layers = _layers(params["embedding"], n_layers)
    found = LightGcn(n_layers=n_layers).embed(params, small.inputs())
    np.testing.assert_allclose(found, np.mean(layers, axis=0), atol=1e-5)
    found = SimGcl(n_layers=n_layers).embed(params, small.inputs())
    np.testing.assert_allclose(found, np.mean(layers[1:], axis=0), atol=1e-5)


def test_the_loss_of_lightgcn_equals_a_loop():
    params = {"embedding": small.embedding()}
    nodes = np.mean(_layers(params["embedding"], 2), axis=0)
    expected = small.bpr_and_l2(nodes, params["embedding"], 0.3)
    assert _loss(LightGcn(n_layers=2, l2=0.3), params) == pytest.approx(expected, rel=1e-5)


def test_noise_has_its_norm_and_the_signs_of_the_state():
    params, inputs = {"embedding": small.embedding()}, small.inputs()
    model = SimGcl(n_layers=1, noise=0.3)
    views = [np.asarray(model.noisy_view(params, inputs, jax.random.key(seed))) for seed in (0, 1)]
    state = _layers(params["embedding"], 1)[1]
    linked = small.adjacency().any(axis=1)
    for view in views:
        noise = view - state
        np.testing.assert_allclose(np.linalg.norm(noise[linked], axis=1), 0.3, rtol=1e-4)
        assert (np.abs(view[linked]) >= np.abs(state[linked]) - 1e-6).all()
        assert not view[~linked].any()  # a sign of 0
    assert np.abs(views[0] - views[1])[linked].max() > 0.01


def test_the_loss_of_simgcl_is_ranking_and_contrast_of_users_and_items():
    params, batch = {"embedding": small.embedding()}, small.batch()
    model = SimGcl(n_layers=2, noise=0.2, contrast=0.7, temperature=0.4, l2=0.1)
    nodes = np.mean(_layers(params["embedding"], 2)[1:], axis=0)
    first, second = (
        np.asarray(model.noisy_view(params, small.inputs(), view_key), np.float64)
        for view_key in jax.random.split(jax.random.key(3))
    )
    expected = small.bpr_and_l2(nodes, params["embedding"], 0.1)
    for rows in (batch.users, small.N_USERS + batch.positives):
        expected += 0.7 * small.infonce(first, second, rows.tolist(), 0.4)
    assert _loss(model, params, seed=3) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_text_aligned_is_ranking_and_alignment_of_users_and_items():
    params = {"embedding": small.embedding(WIDTH), "projection": _projection()}
    model = TextAligned(embedding_dim=WIDTH, n_layers=2, l2=0.1, alignment=0.6, temperature=0.3)
    nodes = np.mean(_layers(params["embedding"], 2), axis=0)
    projected, batch = _project(params["projection"], TEXT), small.batch()
    expected = small.bpr_and_l2(nodes, params["embedding"], 0.1)
    for rows in (batch.users, small.N_USERS + batch.positives):
        expected += 0.6 * small.infonce(nodes, projected, rows.tolist(), 0.3)
    assert _loss(model, params, TEXT) == pytest.approx(expected, rel=1e-5)


def test_alpha_rec_passes_texts_on_and_ranks_the_items_of_the_batch():
    params, model = (
        {"network": _projection()},
        AlphaRec(embedding_dim=WIDTH, n_layers=2, temperature=0.3),
    )
    nodes = np.mean(_layers(_project(params["network"], TEXT), 2), axis=0)
    nodes /= np.linalg.norm(nodes, axis=1, keepdims=True)
    np.testing.assert_allclose(model.embed(params, small.inputs(TEXT)), nodes, atol=1e-5)
    batch, losses = small.batch(), []
    for user, positive in zip(batch.users, batch.positives, strict=True):
        score = lambda item: math.exp(nodes[user] @ nodes[small.N_USERS + item] / 0.3)  # noqa: B023, E731
        others = sum(score(item) for item in batch.positives if item != positive)
        losses.append(-math.log(score(positive) / (score(positive) + others)))
    assert _loss(model, params, TEXT) == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("n_rows", [4, 6, 99])
@pytest.mark.parametrize("rows", [[3, 0, 3, 3, 1, 0], [2, 2, 2, 2, 2, 2], [0, 1, 2, 3, 0, 0]])
def test_distinct_rows(rows, n_rows):
    found, counts = jax.jit(distinct, static_argnums=1)(np.array(rows, np.int32), n_rows)
    assert found.shape == counts.shape == (min(6, n_rows),)
    assert found[counts].tolist() == sorted(set(rows))
    assert set(found.tolist()) == set(rows)  # the padding reads no row that was not asked for


def test_one_distinct_row_has_nothing_to_learn():
    view, counts = small.embedding()[:3], np.array([True, False, False])
    loss, gradient = jax.jit(jax.value_and_grad(infonce))(view, view[::-1], counts, 0.1)
    assert float(loss) == 0
    assert not np.asarray(gradient).any()


def test_rows_that_do_not_count_have_no_gradient():
    first, second = small.embedding(seed=1)[:4], small.embedding(seed=2)[:4]
    counts = np.array([True, True, False, True])
    for argument in (0, 1):
        gradient = np.asarray(jax.jit(jax.grad(infonce, argument))(first, second, counts, 0.5))
        assert not gradient[2].any()
        assert (np.abs(gradient[counts]).sum(axis=1) > 1e-3).all()


def test_a_node_of_zeros_is_finite():
    first = np.zeros((3, 4), np.float32)
    loss, gradient = jax.jit(jax.value_and_grad(infonce))(first, first, np.ones(3, bool), 0.1)
    assert float(loss) == pytest.approx(np.log(3))
    assert np.isfinite(gradient).all()
