"""Everything that serves, with a model of several experts."""

import numpy as np
import pytest

from symcere_jax import NewUser, Recommender
from symcere_jax.training import load_embeddings


@pytest.fixture(scope="module")
def run(mixed_run):
    return mixed_run


@pytest.fixture(scope="module")
def recommender(mixed):
    return mixed


@pytest.fixture(scope="module")
def scores(run, dataset):
    """Of all users for all items, in float64."""
    found, _ = load_embeddings(run, dataset)
    users, items, near, nearest = (
        np.asarray(x, float)
        for x in (found.users, found.items, found.user_neighbors, found.item_neighbors)
    )
    return users @ items.T + near @ nearest.T + np.asarray(found.item_bias, float)


def scores_of(recommender, ranking):
    rows = recommender.items.rows([item_id for item_id, _ in ranking])
    return rows, np.array([score for _, score in ranking])


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_recommendations_are_a_sort_of_the_scores(run, dataset, scores, index):
    recommender = Recommender.load(run, dataset, index=index)
    rankings = recommender.recommend(dataset.user_ids()[:20], k=6, exclude_seen=False)
    for user, ranking in enumerate(rankings):
        _, found = scores_of(recommender, ranking)
        np.testing.assert_allclose(found, np.sort(scores[user])[::-1][:6], rtol=1e-3, atol=2e-3)


def test_a_score_is_the_sum_of_its_parts(recommender, dataset, scores):
    for user, item in ((0, 3), (7, 20), (80, 5)):
        parts = recommender.explain(dataset.user_ids()[user], dataset.item_ids()[item])
        total = sum(share for _, share in parts.history) + parts.own + parts.popularity
        assert total == pytest.approx(scores[user, item], abs=2e-3)
        history = dataset.train[dataset.train[:, 0] == user, 1]
        assert {name for name, _ in parts.history} == set(dataset.item_ids()[history])
        shares = [share for _, share in parts.history]
        assert shares == sorted(shares, reverse=True)


def test_a_share_is_what_is_lost_without_the_item(recommender, dataset):
    """Of the experts, which each know the user as a sum over the items, before its norm."""
    user, item = int(dataset.train[0, 0]), 7
    history = dataset.train[dataset.train[:, 0] == user, 1]
    mixture, target = recommender.mixture, np.asarray(recommender.embeddings.items[7], float)
    expected = mixture.shares["neighbors"].weight * mixture.neighbors["neighbors"].shares(
        history, item
    )
    for name, expert in mixture.experts.items():
        columns, target = np.split(target, [expert.dim])
        degree = expert.item_degree[history]
        sent = expert.messages[history] @ columns / np.sqrt(len(history) * degree)
        norm = expert.user_norms[user] * expert.model.settings.temperature
        layers = expert.model.settings.n_layers + 1
        expected = expected + mixture.shares[name].users * sent / norm / layers
    found = dict(recommender.explain(dataset.user_ids()[user], dataset.item_ids()[item]).history)
    for name, share in zip(dataset.item_ids()[history], expected, strict=True):
        assert found[name] == pytest.approx(share, rel=1e-3, abs=1e-4)


def test_a_new_item_with_the_texts_of_a_known_one_is_like_it(recommender, dataset):
    reviews = dataset.reviews(["item", "split", "text"]).to_pylist()
    texts = [r["text"] for r in reviews if r["item"] == 12 and r["split"] == "train"]
    larger, known = recommender.with_items({"new": texts}), str(dataset.item_ids()[12])
    [ranking] = larger.recommend([dataset.user_ids()[5]], k=100)
    parts = larger.explain(dataset.user_ids()[5], "new")
    total = sum(share for _, share in parts.history) + parts.own + parts.popularity
    assert total == pytest.approx(dict(ranking)["new"], abs=2e-3)
    for [found] in (larger.similar_items(["new"]), larger.recommend_new([NewUser(["new"])])):
        assert known in [item_id for item_id, _ in found[:5]]


def test_similar_items_are_by_the_trained_experts(run, recommender, dataset):
    items = np.asarray(recommender.embeddings.items, float)
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1, atol=1e-3)
    expected = np.sort(np.delete(items @ items[3], 3))[::-1][:5]
    for index in ("exact", "hnsw"):
        indexed = Recommender.load(run, dataset, index=index)
        [ranking] = indexed.similar_items([dataset.item_ids()[3]], k=5)
        np.testing.assert_allclose(scores_of(indexed, ranking)[1], expected, atol=1e-3)


def test_a_search_is_by_the_expert_that_reads(recommender):
    words = "balcony pool beach"
    rows, found = scores_of(recommender, recommender.search(words, k=4))
    features = recommender.texts.documents([[words]])
    query = recommender.mixture.experts["aligned"].items(features)[0]
    items = np.asarray(recommender.embeddings.items, float)
    expected = items[rows][:, -len(query) :] @ query
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (np.diff(found) <= 0).all()
