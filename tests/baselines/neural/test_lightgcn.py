import jax
import numpy as np
import pytest

from symcere_jax.baselines.neural.lightgcn import (
    LightGcnSettings,
    embed,
    fit_lightgcn,
    lightgcn_loss,
)
from symcere_jax.errors import DataError
from tests.baselines import small


def _nodes(embedding, n_layers):
    powers = [np.linalg.matrix_power(small.adjacency(), layer) for layer in range(n_layers + 1)]
    return np.mean(powers, axis=0) @ embedding


@pytest.mark.parametrize("n_layers", [1, 3])
def test_embeddings_are_means_over_layers(n_layers):
    params = {"embedding": small.embedding()}
    found = embed(params, small.inputs(), LightGcnSettings(n_layers=n_layers))
    np.testing.assert_allclose(found, _nodes(params["embedding"], n_layers), atol=1e-5)


def test_the_loss_equals_a_loop():
    params, settings = {"embedding": small.embedding()}, LightGcnSettings(n_layers=2, l2=0.3)
    found = jax.jit(lightgcn_loss, static_argnums=4)(
        params, small.inputs(), small.batch(), jax.random.key(0), settings
    )
    nodes = _nodes(params["embedding"], 2)
    expected = small.bpr_and_l2(nodes, params["embedding"], 0.3)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_without_validation_data():
    data = small.dataset(valid=[])
    with pytest.raises(DataError, match=r"valid\.npy has no interactions"):
        fit_lightgcn(data, LightGcnSettings(embedding_dim=4, n_layers=1, batch_size=8), 0)
