import dataclasses

import numpy as np
import pytest

from symcere_jax.evaluation import evaluate
from symcere_jax.models import Embeddings, score_block
from symcere_jax.settings import Settings
from symcere_jax.training import load_embeddings, load_model, neighbors, train
from symcere_jax.training.neighbors import NeighborChoice, choose_weight, training_items
from tests.evaluation import folders

SETTINGS = {
    "epochs": 2,
    "batch_size": 256,
    "embedding_dim": 12,
    "n_layers": 2,
    "propagation": "segment",
    "user_ranking_weight": 0.0,
    "cross_modal_weight": 0.0,
}
N_USERS, N_PAIRS = 60, 20


def twins():
    """Items 2i and 2i + 1 are all but the same; a user has one of a pair, and later the other."""
    rng = np.random.default_rng(0)
    train_pairs, valid, test = [], [], []
    for user in range(N_USERS):
        first, second = 2 * rng.choice(N_PAIRS, 2, replace=False)
        train_pairs += [(user, first), (user, second)]
        valid.append((user, first + 1))
        test.append((user, second + 1))
    dataset = folders.dataset(train_pairs, valid, test, N_USERS, 2 * N_PAIRS)
    items = np.repeat(rng.standard_normal((N_PAIRS, 8)), 2, axis=0)
    items += 0.01 * rng.standard_normal(items.shape)
    users = rng.standard_normal((N_USERS, 8))  # which tell nothing
    bias = np.zeros(2 * N_PAIRS)
    return dataset, Embeddings(*(np.float32(array) for array in (users, items, bias)))


def test_twins_of_what_the_users_have_are_found():
    dataset, embeddings = twins()
    chosen = choose_weight(embeddings, 0.5, dataset, Settings())
    assert chosen.weight in neighbors.WEIGHTS
    plain = evaluate(score_block, embeddings, dataset, "valid").metrics["ndcg@10"]
    assert plain < 0.4
    assert chosen.score > 0.6


def test_a_gain_that_may_be_chance_is_none(monkeypatch):
    dataset, embeddings = twins()
    items = np.float32(np.random.default_rng(1).standard_normal(embeddings.items.shape))
    strangers = dataclasses.replace(embeddings, items=items)
    chosen = choose_weight(strangers, 0.5, dataset, Settings())
    plain = evaluate(score_block, strangers, dataset, "valid").metrics["ndcg@10"]
    assert chosen == NeighborChoice(0.0, plain, plain)
    monkeypatch.setattr(neighbors, "STANDARD_ERRORS", -np.inf)
    assert choose_weight(strangers, 0.5, dataset, Settings()).weight > 0


def test_one_user_is_no_evidence():
    dataset, embeddings = twins()
    alone = dataclasses.replace(dataset, valid=dataset.valid[:1])
    assert choose_weight(embeddings, 0.5, alone, Settings()).weight == 0


def test_the_items_of_a_user_are_the_positive_ones(dataset):
    settings = Settings(min_rating=4.0)
    expected = dataset.train[dataset.is_positive(4.0)]
    found = training_items(dataset, settings)
    assert len(found.indices) == len(expected) < len(dataset.train)
    rows, items = found.flat(np.arange(dataset.n_users))
    assert set(zip(rows.tolist(), items.tolist(), strict=True)) == set(map(tuple, expected))


@pytest.fixture
def always(monkeypatch):
    """Neighbors count whatever they are worth."""
    monkeypatch.setattr(neighbors, "STANDARD_ERRORS", -np.inf)
    monkeypatch.setattr(neighbors, "WEIGHTS", (0.7,))
    plain = neighbors.evaluate

    def rising(score, params, *arguments, **options):
        found = plain(score, params, *arguments, **options)
        if params.users.shape[1] == SETTINGS["embedding_dim"] + 1:  # no columns for them
            return found
        return dataclasses.replace(found, per_user={"ndcg@10": found.per_user["ndcg@10"] + 1})

    monkeypatch.setattr(neighbors, "evaluate", rising)


def test_the_weight_is_kept_with_the_best_parameters(dataset, tmp_path, always):
    result = train(Settings(**SETTINGS), dataset, tmp_path)
    assert result.neighbor_weight == 0.7
    assert result.best_score > 1
    trained = load_model(tmp_path, dataset)
    assert trained.metadata.neighbor_weight == 0.7
    embeddings, _ = load_embeddings(tmp_path, dataset)
    users, items = (np.asarray(x, float) for x in (embeddings.users, embeddings.items))
    near = np.exp(16 * (items @ items.T - 1))
    np.fill_diagonal(near, 0)
    likes = np.zeros((dataset.n_users, dataset.n_items))
    likes[tuple(dataset.train.T)] = 1
    likes /= np.maximum(likes.sum(axis=1, keepdims=True), 1)
    expected = users @ items.T + embeddings.item_bias
    expected += 0.7 / trained.model.settings.temperature * likes @ near
    found = score_block(embeddings, np.arange(dataset.n_users))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_longer_run_chooses_anew(dataset, tmp_path, always, monkeypatch):
    train(Settings(**SETTINGS | {"epochs": 1}), dataset, tmp_path / "run")
    assert load_model(tmp_path / "run", dataset).metadata.neighbor_weight == 0.7
    # What was trained in one piece and in two is the same.
    for folder in ("run", "one_piece"):
        result = train(Settings(**SETTINGS), dataset, tmp_path / folder)
        assert result.neighbor_weight == 0.7
    pieces = [load_embeddings(tmp_path / folder, dataset)[0] for folder in ("run", "one_piece")]
    for name in ("users", "items", "user_neighbors", "item_neighbors"):
        np.testing.assert_array_equal(*(getattr(piece, name) for piece in pieces))
    # Asked again, a run that has ended chooses again.
    monkeypatch.setattr(neighbors, "WEIGHTS", (0.2,))
    train(Settings(**SETTINGS), dataset, tmp_path / "run")
    assert load_model(tmp_path / "run", dataset).metadata.neighbor_weight == 0.2


def test_they_are_left_out_on_request_and_of_large_catalogs(dataset, tmp_path, always, monkeypatch):
    result = train(Settings(**SETTINGS, item_neighbors=False), dataset, tmp_path / "off")
    assert result.neighbor_weight == 0
    assert load_embeddings(tmp_path / "off", dataset)[0].user_neighbors is None
    with monkeypatch.context() as patch:
        patch.setattr(neighbors, "MAX_ITEMS", dataset.n_items - 1)
        assert train(Settings(**SETTINGS), dataset, tmp_path / "large").neighbor_weight == 0
    with monkeypatch.context() as patch:
        patch.setattr(neighbors, "MAX_VALUES", dataset.n_users * dataset.n_items - 1)
        assert train(Settings(**SETTINGS), dataset, tmp_path / "large").neighbor_weight == 0
    # Switched off later, or on: nothing else of a run that has ended changes.
    assert train(Settings(**SETTINGS), dataset, tmp_path / "off").neighbor_weight == 0.7
    assert load_model(tmp_path / "off", dataset).metadata.neighbor_weight == 0.7
    train(Settings(**SETTINGS, item_neighbors=False), dataset, tmp_path / "off")
    assert load_model(tmp_path / "off", dataset).metadata.neighbor_weight == 0


def test_a_run_that_was_stopped_has_not_chosen_yet(dataset, tmp_path, always):
    settings = Settings(**SETTINGS, steps_per_call=1)
    result = train(settings, dataset, tmp_path, should_stop=lambda: True)
    assert (result.stop, result.neighbor_weight) == ("request", 0.0)
    assert train(settings, dataset, tmp_path).neighbor_weight == 0.7


def test_the_choice_can_be_stopped_and_is_made_by_the_next_start(dataset, tmp_path, always):
    calls = []

    def stop():
        calls.append(0)
        return len(calls) > n_calls

    settings = Settings(**SETTINGS | {"epochs": 1})
    n_calls = 1  # what a run of one epoch asks while it trains
    result = train(settings, dataset, tmp_path, should_stop=stop)
    assert (result.stop, result.epochs, result.neighbor_weight) == ("request", 1, 0.0)
    assert load_model(tmp_path, dataset).metadata.neighbor_weight == 0
    assert train(settings, dataset, tmp_path).neighbor_weight == 0.7


def test_without_validation_data_they_do_not_count(dataset, tmp_path, always):
    empty = dataclasses.replace(dataset, valid=dataset.valid[:0])
    assert train(Settings(**SETTINGS), empty, tmp_path).neighbor_weight == 0
