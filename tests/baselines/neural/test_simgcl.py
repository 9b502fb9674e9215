import jax
import numpy as np
import pytest

from symcere_jax.baselines.neural.simgcl import SimGclSettings, embed, noisy_view, simgcl_loss
from tests.baselines import small


def _layers(embedding, n_layers):
    return [
        np.linalg.matrix_power(small.adjacency(), n) @ embedding for n in range(1, n_layers + 1)
    ]


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_embeddings_leave_out_those_before_message_passing(n_layers):
    params = {"embedding": small.embedding()}
    found = embed(params, small.inputs(), SimGclSettings(n_layers=n_layers))
    expected = np.mean(_layers(params["embedding"], n_layers), axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_noise_has_its_norm_and_the_signs_of_the_state():
    params, inputs = {"embedding": small.embedding()}, small.inputs()
    settings = SimGclSettings(n_layers=1, noise=0.3)
    views = [
        np.asarray(noisy_view(params, inputs, settings, jax.random.key(seed))) for seed in (0, 1)
    ]
    (state,) = _layers(params["embedding"], 1)
    linked = small.adjacency().any(axis=1)
    for view in views:
        noise = view - state
        np.testing.assert_allclose(np.linalg.norm(noise[linked], axis=1), 0.3, rtol=1e-4)
        assert (np.abs(view[linked]) >= np.abs(state[linked]) - 1e-6).all()
        assert not view[~linked].any()  # a sign of 0
    assert np.abs(views[0] - views[1])[linked].max() > 0.01


def test_without_noise_a_view_is_the_embedding():
    params, inputs = {"embedding": small.embedding()}, small.inputs()
    settings = SimGclSettings(n_layers=3, noise=0.0)
    view = noisy_view(params, inputs, settings, jax.random.key(0))
    np.testing.assert_allclose(view, embed(params, inputs, settings), atol=1e-5)


def test_the_loss_is_ranking_and_contrast_of_users_and_items():
    params, inputs, batch = {"embedding": small.embedding()}, small.inputs(), small.batch()
    settings = SimGclSettings(n_layers=2, noise=0.2, contrast=0.7, temperature=0.4, l2=0.1)
    key = jax.random.key(3)
    found = jax.jit(simgcl_loss, static_argnums=4)(params, inputs, batch, key, settings)
    nodes = np.mean(_layers(params["embedding"], 2), axis=0)
    first, second = (
        np.asarray(noisy_view(params, inputs, settings, view_key), np.float64)
        for view_key in jax.random.split(key)
    )
    expected = small.bpr_and_l2(nodes, params["embedding"], 0.1)
    for rows in (batch.users, small.N_USERS + batch.positives):
        expected += 0.7 * small.infonce(first, second, rows.tolist(), 0.4)
    assert float(found) == pytest.approx(expected, rel=1e-5)
