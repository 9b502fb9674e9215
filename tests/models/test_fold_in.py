import jax
import numpy as np
import pytest

from symcere_jax.data import Interactions
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.training.trained import embed

from . import small


def folded(**settings) -> tuple[FoldIn, object, object]:
    model, inputs = small.build(**settings)
    params = small.random_params(model, inputs)
    return FoldIn.of(model, params, inputs), inputs, embed(model)(params, inputs)


@pytest.mark.parametrize(
    "settings",
    [{"n_layers": 0}, {"n_layers": 1, "normalize": False}, {"n_layers": 3}, {"n_layers": 1}],
)
def test_a_known_user_as_a_new_one_gets_the_trained_embedding(settings):
    # Without graph embeddings a user is items and reviews alone, which both are given again.
    fold_in, inputs, embeddings = folded(graph_embeddings=False, **settings)
    items = Interactions.from_pairs(small.PAIRS, small.N_USERS)
    users, norms = fold_in.users(items, np.asarray(inputs.user_text))
    np.testing.assert_allclose(users, embeddings.users, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norms, fold_in.user_norms, rtol=1e-4, atol=1e-6)


def test_new_users_in_float64_loops():
    fold_in, inputs, _ = folded(n_layers=2)
    text = np.random.default_rng(5).standard_normal((3, small.WIDTH)).astype(np.float32)
    items = [[0, 2], [], [4]]
    found, _ = fold_in.users(Interactions.from_rows(items), text)

    params = fold_in.params
    tower = params["text_tower"]
    kernel = np.asarray(tower["projection"]["kernel"], float)
    all_text = np.concatenate(
        [
            np.exp(float(tower["log_user_weight"])) * np.asarray(inputs.user_text, float),
            np.exp(float(tower["log_item_weight"])) * np.asarray(inputs.item_text, float),
        ]
    )
    features = np.asarray(params["graph_tower"]["embedding"], float) + all_text @ kernel
    messages = (features + small.dense_adjacency() @ features)[small.N_USERS :]
    degree = np.bincount(small.PAIRS[:, 1], minlength=small.N_ITEMS)
    for user, row in enumerate(items):
        unit = text[user] / np.linalg.norm(text[user])
        total = np.exp(float(tower["log_user_weight"])) * unit @ kernel
        for item in row:
            total = total + messages[item] / np.sqrt(len(row) * max(degree[item], 1))
        expected = total / np.linalg.norm(total) / fold_in.model.settings.temperature
        np.testing.assert_allclose(found[user], expected, rtol=1e-4)


def test_a_new_item_is_the_direction_of_its_text():
    fold_in, *_ = folded()
    text = np.array([[3, 0, 0, 4], [0, 0, 0, 0]], np.float32)
    found = fold_in.items(text)
    tower = fold_in.params["text_tower"]
    expected = (
        np.exp(float(tower["log_item_weight"]))
        * text[0]
        @ np.asarray(tower["projection"]["kernel"])
    )
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), rtol=1e-5)
    assert not found[1].any()


def test_an_isolated_item_with_its_own_text_gets_the_trained_embedding():
    fold_in, inputs, embeddings = folded(graph_embeddings=False)
    text = np.asarray(inputs.item_text).copy()
    np.testing.assert_allclose(fold_in.items(text)[4], embeddings.items[4], atol=1e-6)


def test_the_prior_of_items_is_that_of_training():
    fold_in, inputs, embeddings = folded()
    found = fold_in.item_bias(np.asarray(inputs.item_degree))
    np.testing.assert_allclose(found, embeddings.item_bias, rtol=1e-5)
    without, *_ = folded(popularity_prior=False)
    assert not without.item_bias(np.arange(3)).any()


def test_without_text_users_come_from_items_alone():
    fold_in, *_ = folded(text_encoder="none", n_layers=1)
    users, _ = fold_in.users(Interactions.from_rows([[1]]))
    item = np.asarray(fold_in.params["graph_tower"]["embedding"])[small.N_USERS + 1]
    expected = item / np.linalg.norm(item) / fold_in.model.settings.temperature
    np.testing.assert_allclose(users[0], expected, rtol=1e-5)
    assert not fold_in.items(np.ones((1, 4))).any()


def test_nothing_known_is_no_direction():
    fold_in, *_ = folded()
    users, norms = fold_in.users(Interactions.empty(1))
    assert not users.any() and not norms.any()
    assert users.shape == (1, small.WIDTH)
    assert jax.tree.leaves(users)[0].dtype == np.float32
