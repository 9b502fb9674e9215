"""The parts of a score, against dense message passing in float64."""

import dataclasses

import numpy as np
import pytest

from symcere_jax.models import SymCERE, score_block
from symcere_jax.models.decomposition import decompose_score, graph_messages
from symcere_jax.models.model_inputs import ModelInputs
from symcere_jax.training import load_model
from symcere_jax.training.trained import embed

USER, ITEM = 7, 11


@pytest.fixture(scope="module")
def trained(trained_run, dataset):
    return load_model(trained_run, dataset)


def changed(trained, items=None, **parts):
    """The model with other parts."""
    expert = dataclasses.replace(trained.main, **parts)
    return dataclasses.replace(
        trained,
        experts={"aligned": expert},
        items=trained.items if items is None else items,
        embeddings=embed(expert.model)(expert.params, expert.inputs),
    )


def decompose(trained, messages=None):
    """The history of the user, and the parts of the score of the item."""
    mixture = trained.mixture
    if messages is not None:
        expert = dataclasses.replace(mixture.experts["aligned"], messages=messages)
        mixture = dataclasses.replace(mixture, experts={"aligned": expert})
    history = trained.items.flat(np.array([USER]))[1]
    return history, decompose_score(trained.embeddings, mixture, history, USER, ITEM)


def adjacency(edges, dataset):
    n = dataset.n_users + dataset.n_items
    a = np.zeros((n, n))
    users, items = edges.T
    a[users, items + dataset.n_users] = a[items + dataset.n_users, users] = 1
    degree = np.maximum(a.sum(axis=1), 1)
    return a / np.sqrt(degree[:, None] * degree)


def expected_parts(trained, dataset, edges, features):
    """What each item of the history sends to the user, and the user's own share, with L = 2."""
    a = adjacency(edges, dataset)
    fused = np.asarray(trained.main.nodes().fused, np.float64)
    settings = trained.main.model.settings
    target, scale = fused[dataset.n_users + ITEM], 3 * settings.temperature
    if settings.normalize:
        target = target / np.linalg.norm(target)
        scale *= np.linalg.norm(fused[USER])
    sent = (features + a @ features) @ target / scale
    history = edges[edges[:, 0] == USER, 1]
    by_item = {i: a[USER, dataset.n_users + i] * sent[dataset.n_users + i] for i in history}
    return by_item, features[USER] @ target / scale


@pytest.mark.parametrize("changes", [{}, {"normalize": False}, {"min_rating": 4.0}])
def test_parts_are_those_of_dense_message_passing(trained, dataset, changes):
    settings = trained.metadata.settings.replace(**changes)
    edges = dataset.train[dataset.is_positive(settings.min_rating)]
    model = SymCERE(dataset.n_users, dataset.n_items, settings)
    inputs = ModelInputs.from_dataset(dataset, settings)
    items = type(trained.items).from_pairs(edges, dataset.n_users)
    trained = changed(trained, model=model, inputs=inputs, items=items)
    history, parts = decompose(trained)
    score = float(score_block(trained.embeddings, np.array([USER]))[0, ITEM])
    assert parts.score == pytest.approx(score, rel=1e-6)
    assert parts.history.sum() + parts.own + parts.popularity == pytest.approx(score, rel=1e-6)
    features = np.asarray(trained.main.nodes().features, np.float64)
    by_item, own = expected_parts(trained, dataset, edges, features)
    found = dict(zip(history.tolist(), parts.messages.tolist(), strict=True))
    assert found == pytest.approx(by_item, abs=1e-4)
    assert parts.own == pytest.approx(own, abs=1e-4)


def test_messages_of_the_graph_tower(trained, dataset):
    graph = np.asarray(trained.main.params["graph_tower"]["embedding"], np.float64)
    by_item, _ = expected_parts(trained, dataset, dataset.train, graph)
    messages = graph_messages(*vars(trained.main).values())
    history, parts = decompose(trained, messages)
    found = dict(zip(history.tolist(), parts.messages.tolist(), strict=True))
    assert found == pytest.approx(by_item, abs=1e-4)


def test_without_layers_all_is_the_users_own(trained, dataset):
    settings = trained.metadata.settings.replace(n_layers=0)
    model = SymCERE(dataset.n_users, dataset.n_items, settings)
    _, parts = decompose(changed(trained, model=model))
    assert not parts.history.any()
    assert parts.own + parts.popularity == pytest.approx(parts.score)
    assert not graph_messages(model, trained.main.params, trained.main.inputs).any()
