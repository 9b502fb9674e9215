import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.models import Columns
from symcere_jax.models.towers import GraphTower, TextTower

RNG = np.random.default_rng(0)
USERS = RNG.standard_normal((3, 4), np.float32)
ITEMS = RNG.standard_normal((5, 4), np.float32)


def test_graph_embeddings_are_small_and_random():
    tower = GraphTower(n_nodes=400, dim=50)
    tables = []
    for seed in (0, 0, 1):
        params = tower.init(jax.random.key(seed))["params"]
        assert list(params) == ["embedding"]
        tables.append(np.asarray(tower.apply({"params": params})))
        np.testing.assert_array_equal(tables[-1], params["embedding"])
    assert tables[0].shape == (400, 50)
    assert tables[0].dtype == np.float32
    # 20,000 draws: mean and deviation lie within 5 standard errors.
    assert abs(tables[0].mean()) < 5 * 1e-3 / np.sqrt(20_000)
    assert tables[0].std() == pytest.approx(1e-3, rel=5 / np.sqrt(2 * 20_000))
    np.testing.assert_array_equal(tables[0], tables[1])
    assert (tables[0] != tables[2]).mean() > 0.99


@pytest.mark.parametrize("dim", [2, 4, 7])
def test_text_starts_as_it_is_cut_or_padded_to_the_width(dim):
    tower = TextTower(Columns(dim), user_weight=0.25, item_weight=2.0)
    found, _ = tower.init_with_output(jax.random.key(0), USERS, ITEMS)
    expected = np.zeros((8, dim), np.float32)
    width = min(dim, 4)
    expected[:3, :width] = 0.25 * USERS[:, :width]
    expected[3:, :width] = 2 * ITEMS[:, :width]
    np.testing.assert_array_equal(found, expected)


def test_text_is_weighed_and_projected():
    kernel = RNG.standard_normal((4, 6)).astype(np.float32)
    logs = {"log_user_weight": np.log(0.3), "log_item_weight": np.log(1.5)}
    params = logs | {"projection": {"kernel": kernel}}
    tower = TextTower(Columns(6), user_weight=9.0, item_weight=9.0)  # only where learning starts
    found = tower.apply({"params": params}, USERS, ITEMS)
    expected = np.concatenate([0.3 * USERS.astype(float), 1.5 * ITEMS.astype(float)]) @ kernel
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_weights_and_projection_learn():
    cotangent = RNG.standard_normal((8, 4))
    tower = TextTower(Columns(4), user_weight=0.5, item_weight=2.0)
    params = tower.init(jax.random.key(0), USERS, ITEMS)["params"]

    def loss(params):
        return (
            jnp.asarray(cotangent, jnp.float32) * tower.apply({"params": params}, USERS, ITEMS)
        ).sum()

    gradient = jax.grad(loss)(params)
    # The kernel is the identity.
    user_gradient, item_gradient = gradient["log_user_weight"], gradient["log_item_weight"]
    assert user_gradient == pytest.approx(0.5 * (cotangent[:3] * USERS).sum(), rel=1e-5)
    assert item_gradient == pytest.approx(2.0 * (cotangent[3:] * ITEMS).sum(), rel=1e-5)
    weighed = np.concatenate([0.5 * USERS, 2 * ITEMS])
    np.testing.assert_allclose(
        gradient["projection"]["kernel"], weighed.T @ cotangent, rtol=1e-4, atol=1e-5
    )


def test_a_weight_of_zero_leaves_text_out():
    tower = TextTower(Columns(4), user_weight=0.0, item_weight=2.0)
    embedded, variables = tower.init_with_output(jax.random.key(0), USERS, ITEMS)
    assert not np.asarray(embedded[:3]).any()
    assert np.asarray(embedded[3:]).any()
    assert "log_user_weight" not in variables["params"]
    embedded, _ = tower.init_with_output(jax.random.key(0), USERS, np.zeros_like(ITEMS))
    assert not np.asarray(embedded).any()


@pytest.mark.parametrize("step", [1e-2, 1.0, 30.0])
def test_text_never_turns_around_however_far_its_weights_fall(step):
    """Graph embeddings that are aligned with text would otherwise stand against all of it."""
    tower = TextTower(Columns(4), user_weight=0.1, item_weight=1.0)
    params = tower.init(jax.random.key(0), USERS, ITEMS)["params"]
    start = np.concatenate([0.1 * USERS, ITEMS])
    for _ in range(20):
        gradient = jax.grad(
            lambda params: (start * tower.apply({"params": params}, USERS, ITEMS)).sum()
        )(params)
        for name in ("log_user_weight", "log_item_weight"):
            params[name] = params[name] - step * jnp.sign(gradient[name])
        embedded = np.asarray(tower.apply({"params": params}, USERS, ITEMS))
        assert ((start * embedded).sum(axis=1) >= 0).all()
