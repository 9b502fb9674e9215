import dataclasses
from collections import deque

import numpy as np
import pytest

from symcere_jax import Recommender
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.explain import (
    Aligner,
    best_new_item,
    explain_recommendation,
    explain_score,
)
from symcere_jax.models import ModelInputs, build_model, score_block

USER, ITEM = 7, 11


@pytest.fixture(scope="module")
def explained(trained, dataset):
    return explain_score(trained, dataset, USER, ITEM)


def adjacency(edges, dataset):
    """Dense, in float64."""
    n = dataset.n_users + dataset.n_items
    a = np.zeros((n, n))
    users, items = edges.T
    a[users, items + dataset.n_users] = a[items + dataset.n_users, users] = 1
    degree = np.maximum(a.sum(axis=1), 1)
    return a / np.sqrt(degree[:, None] * degree)


def test_parts_add_up_to_the_score(explained, trained):
    embeddings = trained.embeddings()
    score = float(score_block(embeddings, np.array([USER]))[0, ITEM])
    assert explained.score == pytest.approx(score, rel=1e-5)
    parts = sum(neighbor.total for neighbor in explained.neighbors)
    assert parts + explained.popularity == pytest.approx(score, rel=1e-4)


def test_a_neighbor_adds_what_its_features_bring(explained, trained, dataset):
    """Against dense message passing of one node's features at a time."""
    a = adjacency(dataset.train, dataset)
    passed = (np.eye(len(a)) + a + a @ a) / 3
    nodes = trained.nodes()
    features, fused = (np.asarray(x, np.float64) for x in (nodes.features, nodes.fused))
    target = fused[dataset.n_users + ITEM] / np.linalg.norm(fused[dataset.n_users + ITEM])
    scale = np.linalg.norm(fused[USER]) * trained.model.temperature
    expected = passed[USER] * (features @ target) / scale
    for neighbor in explained.neighbors[:20]:
        node = neighbor.row + (dataset.n_users if neighbor.kind == "item" else 0)
        assert neighbor.graph + neighbor.text == pytest.approx(expected[node], abs=1e-5)
    graph = np.asarray(trained.params["graph_tower"]["embedding"], np.float64)
    first = explained.neighbors[0]
    node = first.row + (dataset.n_users if first.kind == "item" else 0)
    assert first.graph == pytest.approx(
        passed[USER, node] * (graph[node] @ target) / scale, abs=1e-5
    )
    assert len(explained.neighbors) == np.count_nonzero(passed[USER])


def test_an_item_of_the_user_adds_its_nearness(explained, trained, dataset):
    """Against the kernel, in float64."""
    weight = trained.neighbor_weight
    assert weight > 0  # or this would test nothing
    z = np.asarray(trained.embeddings().items, np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    own = dataset.train[dataset.train[:, 0] == USER, 1]
    near = {item: np.exp((z[item] @ z[ITEM] - 1) * 16) for item in own.tolist()}
    near[ITEM] = 0.0  # no item is its own neighbour
    scale = weight / trained.model.temperature / len(own)
    found = {
        neighbor.row: neighbor.nearness
        for neighbor in explained.neighbors
        if neighbor.kind == "item" and neighbor.row in near
    }
    assert found == pytest.approx({i: scale * k for i, k in near.items()}, abs=1e-4)
    assert not any(one.nearness for one in explained.neighbors if one.kind == "user")


def paths(linked):
    """Lengths of the shortest paths from the user, by a search in breadth."""
    steps, queue = {USER: 0}, deque([USER])
    while queue:
        node = queue.popleft()
        for other in np.flatnonzero(linked[node]).tolist():
            if other not in steps:
                steps[other] = steps[node] + 1
                queue.append(other)
    return steps


def check_steps(explained, dataset, edges, most):
    steps = paths(adjacency(edges, dataset) > 0)
    for neighbor in explained.neighbors:
        node = neighbor.row + (dataset.n_users if neighbor.kind == "item" else 0)
        assert neighbor.steps == steps[node] <= most


def test_steps_are_shortest_paths(explained, dataset):
    check_steps(explained, dataset, dataset.train, 2)


def test_steps_are_those_of_the_graph_where_low_ratings_are_left_out(trained, dataset):
    config = trained.metadata.config.replace(min_rating=4.0)
    changed = dataclasses.replace(
        trained,
        model=build_model(config, dataset.n_users, dataset.n_items),
        inputs=ModelInputs.from_dataset(dataset, config),
    )
    edges = dataset.train[dataset.is_positive(4.0)]
    assert 0 < len(edges) < len(dataset.train)
    four = dataclasses.replace(changed.model.config, n_layers=4)
    changed = dataclasses.replace(changed, model=changed.model.clone(config=four))
    check_steps(explain_score(changed, dataset, USER, ITEM), dataset, edges, 4)


def test_rank_and_best_item(trained, dataset):
    best = best_new_item(trained, dataset, USER)
    assert explain_score(trained, dataset, USER, best).rank == 1
    pairs = np.concatenate([dataset.train, dataset.valid, dataset.test])
    assert best not in pairs[pairs[:, 0] == USER, 1]


def test_the_best_item_is_the_one_that_is_recommended(trained, trained_run, dataset):
    recommender = Recommender.load(trained_run, dataset)
    for user, [(name, _)] in enumerate(recommender.recommend(dataset.user_ids()[:30], k=1)):
        best = best_new_item(trained, dataset, user)
        assert dataset.item_ids()[best] == name
        assert explain_score(trained, dataset, user, best).rank == 1


def test_a_user_who_has_had_everything(trained, dataset, monkeypatch):
    everything = np.stack([np.full(dataset.n_items, USER), np.arange(dataset.n_items)], axis=1)
    halves = {"train": everything[::2], "valid": everything[1::2], "test": everything[:0]}
    monkeypatch.setattr(ReviewDataset, "interactions", lambda self, split: halves[split])
    with pytest.raises(DataError, match=r"user 'user-007' has interacted with every item"):
        best_new_item(trained, dataset, USER)


def test_unnormalised_parts_add_up_too(trained, dataset):
    config = trained.metadata.config.replace(normalize=False)
    model = build_model(config, dataset.n_users, dataset.n_items)
    found = explain_score(dataclasses.replace(trained, model=model), dataset, USER, ITEM)
    parts = sum(neighbor.total for neighbor in found.neighbors)
    assert parts + found.popularity == pytest.approx(found.score, rel=1e-4)


def test_words_of_training_reviews(trained, dataset):
    aligner = Aligner.of_model("model", trained, dataset, "fused")
    found = explain_recommendation(
        trained, dataset, aligner, USER, ITEM, n_reviews=2, n_samples=40, n_repeats=2
    )
    table = dataset.reviews().to_pylist()
    assert 1 <= len(found.by_user) <= 2 and 1 <= len(found.about_item) <= 2
    for review in (*found.by_user, *found.about_item):
        row = table[review.row]
        assert row["split"] == "train"
        assert (row["user"], row["item"]) == (review.user, review.item)
        assert review.words.text == row["text"]
    assert {review.user for review in found.by_user} == {USER}
    assert {review.item for review in found.about_item} == {ITEM}
    scores = [review.words.score for review in found.by_user]
    assert scores == sorted(scores, reverse=True)
    cosine = aligner.embed([found.by_user[0].words.text])[0] @ aligner.items[ITEM]
    assert scores[0] == pytest.approx(cosine, abs=1e-5)
