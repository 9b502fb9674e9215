import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.report.score_tables import cold_start_table, write_cold_start
from symcere_jax.settings import Settings
from symcere_jax.study import cold_start
from symcere_jax.study.cold_start import (
    FROM_ITEMS,
    FROM_TEXTS,
    MODEL,
    NEW_ITEMS,
    NEW_USERS,
    POPULARITY,
    TEXT_KNN,
    WARM,
    ColdStartTasks,
    NoColdStartError,
    _Methods,
    evaluate_cold_start,
)
from symcere_jax.training import load_model, train

SETTINGS = {
    "experts": "aligned,neighbors",
    "expert_weights": "equal",
    "epochs": 1,
    "batch_size": 256,
    "propagation": "segment",
    "cross_modal_weight": 0.0,
}


@pytest.fixture(scope="module", params=["cold_item", "cold_user"])
def scored(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    settings = PrepareSettings(
        source="synthetic",
        output=folder / "data",
        split=request.param,
        synthetic_users=150,
        synthetic_items=60,
        text_width=24,
    )
    prepare(settings)
    dataset = ReviewDataset.load(settings.output)
    train(Settings(**SETTINGS), dataset, folder / "run")
    with pytest.MonkeyPatch.context() as patch:  # a choice of two each: fewer programs to compile
        for choices in ("_KNN_SETTINGS", "_BONUSES"):
            patch.setattr(cold_start, choices, getattr(cold_start, choices)[:2])
        yield request.param, folder, dataset, evaluate_cold_start(folder / "run", dataset, "test")


def test_new_ones_get_more_than_popularity_gives(scored):
    policy, _, _, results = scored
    by_task = {result.task: result for result in results}
    task = NEW_ITEMS if policy == "cold_item" else NEW_USERS
    metrics = {
        name: evaluation.metrics["ndcg@10"]
        for name, evaluation in by_task[task].evaluations.items()
    }
    assert metrics[MODEL] > metrics[POPULARITY] + 0.02
    expected = {POPULARITY, TEXT_KNN, MODEL}
    if policy == "cold_user":
        expected |= {FROM_ITEMS, FROM_TEXTS}
        assert min(metrics[FROM_ITEMS], metrics[FROM_TEXTS]) > metrics[POPULARITY]
    assert set(metrics) == expected
    assert WARM in by_task


def test_what_is_new_has_neighbors(scored):
    _, folder, dataset, _ = scored
    trained = load_model(folder / "run", dataset)
    methods = _Methods.create(trained, dataset, "test")
    new_items, new_users = methods.tasks.new_items, methods.tasks.new_users
    found, known, neighbors = (
        methods.model().params,
        trained.embeddings,
        trained.neighbors["neighbors"],
    )
    old = np.setdiff1d(np.arange(dataset.n_items), new_items)
    np.testing.assert_array_equal(found.item_neighbors[old], known.item_neighbors[old])
    near = neighbors.features_of(methods.features[new_items])
    assert np.any(near) == (len(new_items) > 0)
    np.testing.assert_allclose(found.item_neighbors[new_items], near, atol=1e-6)
    share = trained.mixture.shares["neighbors"]
    assert share.weight > 0
    for user, own in zip(new_users, methods.tasks.user_items, strict=True):
        mean = neighbors.features[own].sum(axis=0) / max(len(own), 1)
        expected = (share.users * mean).astype(found.user_neighbors.dtype)
        np.testing.assert_allclose(found.user_neighbors[user], expected, atol=1e-5)


def test_all_methods_are_scored_on_the_same_users(scored):
    for result in scored[3]:
        users = [evaluation.users for evaluation in result.evaluations.values()]
        for other in users[1:]:
            np.testing.assert_array_equal(users[0], other)
        for name, test in result.tests.items():
            gap = (
                result.evaluations[MODEL].metrics["ndcg@10"]
                - result.evaluations[name].metrics["ndcg@10"]
            )
            assert test.difference == pytest.approx(gap)


@pytest.mark.parametrize("scored", ["cold_item"], indirect=True)
def test_what_is_predicted_changes_nothing(scored, monkeypatch):
    _, folder, dataset, results = scored
    # The texts of predicted reviews are replaced: not a single ranking moves.
    problem = ColdStartTasks.from_split(dataset, "test")
    hidden = {tuple(p) for rows in problem.predicted.values() for p in rows.tolist()}
    original = ReviewDataset.reviews

    def changed(self, columns=None):
        table = original(self, None)
        rows = zip(table["user"].to_pylist(), table["item"].to_pylist(), strict=True)
        texts = [
            "other words" if pair in hidden else text
            for pair, text in zip(rows, table["text"].to_pylist(), strict=True)
        ]
        place = table.schema.get_field_index("text")
        table = table.set_column(place, "text", [texts])
        return table.select(columns) if columns else table

    monkeypatch.setattr(ReviewDataset, "reviews", changed)
    again = evaluate_cold_start(folder / "run", dataset, "test")
    for before, after in zip(results, again, strict=True):
        for method, evaluation in before.evaluations.items():
            np.testing.assert_array_equal(
                evaluation.recommended, after.evaluations[method].recommended
            )


def test_reports(scored, tmp_path):
    _, _, dataset, results = scored
    path = write_cold_start(results, tmp_path, "test", dataset, step=7)
    content = json.loads(path.read_text())
    assert (path.name, content["step"]) == ("cold_start_test.json", 7)
    first = results[0]
    stored = content["tasks"][first.task][MODEL]
    assert stored["ndcg@10"] == first.evaluations[MODEL].metrics["ndcg@10"]
    assert stored["n_users"] == len(first.evaluations[MODEL].users)
    table = cold_start_table(results)
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert len(table.rows) == sum(len(result.evaluations) for result in results)
    ndcg = first.evaluations[MODEL].metrics["ndcg@10"]
    [row] = [row for row in table.rows[: len(first.evaluations)] if row[2] == MODEL]
    assert row[table.header.index("ndcg@10")] == f"{ndcg:.4f}"


def test_where_nothing_is_new_there_is_nothing_to_score(dataset, monkeypatch):
    read = SimpleNamespace(metadata=SimpleNamespace(settings=Settings(text_encoder="lsa")))
    monkeypatch.setattr(cold_start, "load_model", lambda workdir, dataset: read)
    known = (dataset.user_counts() > 0)[dataset.test[:, 0]]
    known &= (dataset.item_counts() > 0)[dataset.test[:, 1]]
    warm = dataclasses.replace(dataset, test=dataset.test[known])
    with pytest.raises(
        NoColdStartError, match=r"no user or item of test is new; prepare .*cold_item"
    ):
        evaluate_cold_start("run", warm, "test")


def test_features_from_elsewhere_cannot_read_what_is_new(scored, monkeypatch):
    _, folder, dataset, _ = scored
    monkeypatch.setattr(schema, "text_model_file", lambda name: "not there")
    with pytest.raises(NoColdStartError, match="'lsa' have no encoder"):
        evaluate_cold_start(folder / "run", dataset, "test")
