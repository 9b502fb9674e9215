import jax
import numpy as np
import pytest

from symcere_jax.baselines.neural.text_aligned import (
    TextAlignedSettings,
    TextProjection,
    fit_text_aligned,
    text_aligned_loss,
)
from symcere_jax.errors import DataError
from tests.baselines import small

TEXT_WIDTH, WIDTH = 6, 4


def _project(projection, features):
    """Two layers; leaky between them."""
    first, second = (
        {name: np.asarray(value, np.float64) for name, value in projection[layer].items()}
        for layer in ("Dense_0", "Dense_1")
    )
    hidden = features @ first["kernel"] + first["bias"]
    return np.where(hidden > 0, hidden, 0.01 * hidden) @ second["kernel"] + second["bias"]


def test_the_loss_is_ranking_and_alignment_of_users_and_items():
    text = np.random.default_rng(4).standard_normal((16, TEXT_WIDTH)).astype(np.float32)
    projection = TextProjection(WIDTH).init(jax.random.key(0), text)["params"]
    assert projection["Dense_0"]["kernel"].shape == (TEXT_WIDTH, 5)
    params = {"embedding": small.embedding(WIDTH), "projection": projection}
    settings = TextAlignedSettings(
        embedding_dim=WIDTH, n_layers=2, l2=0.1, alignment=0.6, temperature=0.3
    )
    batch = small.batch()
    loss = jax.jit(jax.value_and_grad(text_aligned_loss), static_argnums=4)
    found, gradients = loss(params, small.inputs(text), batch, jax.random.key(0), settings)
    powers = [np.linalg.matrix_power(small.adjacency(), layer) for layer in range(3)]
    nodes = np.mean(powers, axis=0) @ params["embedding"]
    projected = _project(projection, text)
    expected = small.bpr_and_l2(nodes, params["embedding"], 0.1)
    for rows in (batch.users, small.N_USERS + batch.positives):
        expected += 0.6 * small.infonce(nodes, projected, rows.tolist(), 0.3)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradients))


def test_a_folder_without_text_features(dataset_without_text):
    with pytest.raises(DataError, match="no text features"):
        fit_text_aligned(dataset_without_text, TextAlignedSettings(), 0)
