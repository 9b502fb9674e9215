"""Everything that serves, with a model in whose scores neighbors count."""

import numpy as np
import pytest

from symcere_jax import NewUser, Recommender
from symcere_jax.data import Interactions
from symcere_jax.recommend.export import export_model
from symcere_jax.settings import Settings
from symcere_jax.training import load_model, loop, train
from symcere_jax.training.neighbors import NeighborChoice

from .conftest import SETTINGS

WEIGHT = 0.6


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("neighbors") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "choose_weight", lambda *_: NeighborChoice(WEIGHT, 0.5, 0.4))
        train(Settings(**SETTINGS), dataset, workdir)
    return workdir


@pytest.fixture(scope="module")
def recommender(run, dataset):
    return Recommender.load(run, dataset)


@pytest.fixture(scope="module")
def scores(run, dataset):
    """Of all users for all items, in float64."""
    trained = load_model(run, dataset)
    found = trained.embeddings
    users, items = (np.asarray(x, float) for x in (found.users, found.items))
    likes = np.zeros((dataset.n_users, dataset.n_items))
    likes[tuple(dataset.train.T)] = WEIGHT / trained.model.temperature_of(trained.params)
    likes /= np.maximum(np.count_nonzero(likes, axis=1, keepdims=True), 1)
    bias = np.asarray(found.item_bias, float)
    near = np.exp(16 * (items @ items.T - 1))
    np.fill_diagonal(near, 0)
    return users @ items.T + bias + likes @ near


def _order(recommender, ranking):
    return recommender.items.rows([item_id for item_id, _ in ranking])


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_recommendations_are_a_sort_of_the_scores(run, dataset, scores, index):
    recommender = Recommender.load(run, dataset, index=index)
    rankings = recommender.recommend(dataset.user_ids()[:20], k=6, exclude_seen=False)
    for user, ranking in enumerate(rankings):
        best = np.argsort(-scores[user], kind="stable")[:6]
        np.testing.assert_allclose(
            [score for _, score in ranking], scores[user][best], rtol=1e-3, atol=2e-3
        )


def test_a_score_is_the_sum_of_its_parts(recommender, dataset, scores):
    for user, item in ((0, 3), (7, 20)):
        parts = recommender.explain(dataset.user_ids()[user], dataset.item_ids()[item])
        total = sum(share for _, share in parts.history) + parts.own + parts.popularity
        assert total == pytest.approx(scores[user, item], abs=2e-3)
    # Nothing but nearness is left of a share where messages are not counted.
    fold_in = recommender.fold_in
    z = np.asarray(recommender.embeddings.items, float)
    near = np.exp(16 * (z @ z[20] - 1))
    assert 20 not in dataset.train[dataset.train[:, 0] == 7, 1]
    own = dataset.train[dataset.train[:, 0] == 7, 1]
    weights = fold_in.edge_weights(Interactions.from_rows([own])) / fold_in.user_norms[7] / 3
    similar = fold_in.messages[own] @ np.asarray(recommender.embeddings.items[20])
    temperature = fold_in.model.temperature_of(fold_in.params)
    expected = (weights * similar + WEIGHT * near[own] / len(own)) / temperature
    found = dict(parts.history)
    for item, share in zip(dataset.item_ids()[own], expected, strict=True):
        assert found[item] == pytest.approx(share, rel=1e-3, abs=1e-3)


def test_new_users_have_neighbors(recommender, dataset):
    liked = dataset.item_ids()[[4, 9]]
    [ranking] = recommender.recommend_new([NewUser(items=liked)], k=50, exclude_seen=False)
    users, _ = recommender.fold_in.users(Interactions.from_rows([[4, 9]]))
    embeddings = recommender.embeddings
    items = np.asarray(embeddings.items, float)
    temperature = recommender.fold_in.model.temperature_of(recommender.fold_in.params)
    near = np.exp(16 * (items @ items[[4, 9]].T - 1))
    near[[4, 9], [0, 1]] = 0  # no item is its own neighbor
    near = near.mean(axis=1) * WEIGHT / temperature
    expected = items @ users[0] + embeddings.item_bias + near
    np.testing.assert_allclose(
        [score for _, score in ranking], expected[_order(recommender, ranking)], atol=2e-3
    )


def test_new_items_are_neighbors(recommender, dataset):
    """A new item scores as its embedding and its nearness say, for known and for new users."""
    larger = recommender.with_items({"new": ["a quiet balcony near the beach"]})
    new = np.asarray(larger.embeddings.items[-1], float)
    items = np.asarray(recommender.embeddings.items, float)
    near = np.exp(16 * (items @ new / np.linalg.norm(new) - 1))
    own = dataset.train[dataset.train[:, 0] == 5, 1]
    temperature = larger.fold_in.model.temperature_of(larger.fold_in.params)
    expected = np.asarray(larger.embeddings.users[5], float) @ new
    expected += larger.embeddings.item_bias[-1] + WEIGHT / temperature * near[own].mean()
    [ranking] = larger.recommend([dataset.user_ids()[5]], k=100)
    assert dict(ranking)["new"] == pytest.approx(float(expected), abs=5e-3)
    assert larger.recommend_new([NewUser(items=["new"])], k=3)[0]
    parts = larger.explain(dataset.user_ids()[5], "new")
    total = sum(share for _, share in parts.history) + parts.own + parts.popularity
    assert total == pytest.approx(parts.score, abs=1e-3)


def test_search_and_similar_items_are_by_the_model_alone(run, recommender, dataset):
    indexed = Recommender.load(run, dataset, index="hnsw")
    items = np.asarray(recommender.embeddings.items, float)
    for one in (recommender, indexed):
        [ranking] = one.similar_items([dataset.item_ids()[3]], k=5)
        expected = np.delete(items @ items[3], 3)
        np.testing.assert_allclose(
            [score for _, score in ranking], np.sort(expected)[::-1][:5], atol=1e-4
        )
        assert len(one.search("balcony pool beach", k=4)) == 4


def test_an_export_scores_with_them(recommender, scores, tmp_path):
    export_model(recommender, tmp_path / "export")
    with np.load(tmp_path / "export" / "embeddings.npz") as arrays:
        found = arrays["users"] @ arrays["items"].T + arrays["item_bias"]
    np.testing.assert_allclose(found, scores, rtol=1e-3, atol=2e-3)
