import dataclasses
import shutil

import numpy as np
import pytest

from symcere_jax.data import Interactions
from symcere_jax.errors import CheckpointError, ConfigError
from symcere_jax.evaluation import evaluate
from symcere_jax.models import resolve, score_block, score_spread
from symcere_jax.models.review_times import time_neighbors
from symcere_jax.settings import Settings
from symcere_jax.training import Checkpoints, load_embeddings, load_model, train
from symcere_jax.training.metric_log import read_metric_log
from tests.quick import QUICK
from tests.training.test_loop import _stop_after

SETTINGS = Settings(**QUICK).replace(experts="graph,aligned,neighbors,times", epochs=2, n_layers=2)
TRAINED = ("graph", "aligned")


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("experts") / "run"
    return workdir, train(SETTINGS, dataset, workdir)


def scores_of(workdir, dataset):
    embeddings, _ = load_embeddings(workdir, dataset)
    scores = np.asarray(score_block(embeddings, np.arange(dataset.n_users)), np.float64)
    return scores - scores.mean(axis=1, keepdims=True)


def test_each_expert_has_a_run_of_its_own(run, dataset):
    workdir, result = run
    assert {path.name for path in (workdir / "experts").iterdir()} == set(TRAINED)
    settings = {name: Checkpoints(workdir / "experts" / name).metadata().settings
                for name in TRAINED}  # fmt: skip
    encoders = {name: each.text_encoder for name, each in settings.items()}
    assert encoders == {"graph": "none", "aligned": "lsa"}
    assert len(read_metric_log(workdir / "experts" / "aligned")) == 3
    assert (result.epochs, result.stop) == (2, "epochs")


def test_scores_are_the_weighted_sum_of_equal_spreads(run, dataset):
    workdir, result = run
    weights = result.weights
    assert list(weights) == ["popularity", "graph", "aligned", "neighbors", "times"]
    assert sum(weights.values()) == pytest.approx(1)
    parts = {name: scores_of(workdir / "experts" / name, dataset) for name in TRAINED}
    counts = np.bincount(dataset.train[:, 1], minlength=dataset.n_items)
    popularity = np.log1p(np.tile(counts, (dataset.n_users, 1)))
    popularity -= popularity.mean(axis=1, keepdims=True)
    trained = load_model(workdir, dataset)
    neighbors = trained.neighbors
    features = neighbors["neighbors"].features.astype(float)
    likes = np.zeros((dataset.n_users, dataset.n_items))
    likes[tuple(dataset.train.T)] = 1
    near = likes / likes.sum(axis=1, keepdims=True).clip(1) @ features @ features.T
    near -= near.mean(axis=1, keepdims=True)
    _, users = time_neighbors(dataset, trained.items)
    times = users.astype(float) @ neighbors["times"].features.T
    times -= times.mean(axis=1, keepdims=True)
    parts |= {"neighbors": near, "times": times, "popularity": popularity}
    expected = sum(weights[name] * scores / scores.std() for name, scores in parts.items())
    np.testing.assert_allclose(scores_of(workdir, dataset), expected, atol=2e-3)


def test_the_best_score_is_that_of_all_together(run, dataset):
    workdir, result = run
    embeddings, metadata = load_embeddings(workdir, dataset)
    expected = evaluate(score_block, embeddings, dataset, "valid").metrics["ndcg@10"]
    assert result.best_score == metadata.progress.best_score == pytest.approx(expected, abs=1e-6)
    assert metadata.is_complete
    assert set(metadata.experts) == {"popularity", *TRAINED, "neighbors", "times"}
    assert sum(expert.weight for expert in metadata.experts.values()) == pytest.approx(1)
    best = {name: Checkpoints(workdir / "experts" / name).metadata().progress.best_score
            for name in TRAINED}  # fmt: skip
    assert {name: metadata.experts[name].best_score for name in TRAINED} == best
    spreads = score_spread(embeddings)
    assert 0 < spreads <= 1.001  # a weighted mean of spreads of 1


def test_a_run_that_is_done_stays_as_it_is(run, dataset):
    workdir, result = run
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob("contents.json")}
    again = train(SETTINGS, dataset, workdir)
    assert dataclasses.replace(again, seconds=0) == dataclasses.replace(result, seconds=0)
    assert {path: path.stat().st_mtime_ns for path in workdir.rglob("contents.json")} == before


def test_how_they_are_put_together_can_be_chosen_later(run, dataset, tmp_path):
    workdir = shutil.copytree(run[0], tmp_path / "run")
    result = train(SETTINGS.replace(expert_weights="equal"), dataset, workdir)
    expected = {"popularity": 0} | dict.fromkeys(("graph", "aligned", "neighbors", "times"), 1 / 4)
    assert result.weights == pytest.approx(expected)
    fewer = train(SETTINGS.replace(experts="graph,neighbors"), dataset, workdir)
    assert set(fewer.weights) == {"popularity", "graph", "neighbors"}
    assert len(read_metric_log(workdir / "experts" / "graph")) == 3


def test_a_run_that_is_stopped_resumes_to_the_same(run, dataset, tmp_path):
    settings = SETTINGS.replace(steps_per_call=1)
    whole = train(settings, dataset, tmp_path / "whole")
    stopped, calls = "request", 0
    while stopped == "request":
        # The second call stops in the first expert, the others between or in later ones.
        result = train(
            settings, dataset, tmp_path / "parts", should_stop=_stop_after(3 + 7 * calls)
        )
        stopped, calls = result.stop, calls + 1
        if stopped == "request":
            with pytest.raises(CheckpointError, match="no checkpoint"):
                load_embeddings(tmp_path / "parts", dataset)
    assert calls > 2
    assert result.weights == whole.weights and result.best_score == whole.best_score
    (one, _), (two, _) = (load_embeddings(tmp_path / x, dataset) for x in ("whole", "parts"))
    for name, array in vars(one).items():
        np.testing.assert_array_equal(array, getattr(two, name))


def test_more_epochs_change_the_whole_at_the_end(run, dataset, tmp_path):
    workdir = shutil.copytree(run[0], tmp_path / "run")
    longer = SETTINGS.replace(epochs=4)
    assert train(longer, dataset, workdir, should_stop=_stop_after(2)).stop == "request"
    assert load_model(workdir, dataset).metadata.settings.epochs == 2  # the whole of before
    assert train(longer, dataset, workdir).epochs == 4
    assert load_model(workdir, dataset).metadata.settings.epochs == 4


def test_a_warm_start_from_another_number_of_experts_is_one_line(run, dataset, tmp_path):
    single = SETTINGS.replace(experts="aligned")
    with pytest.raises(ConfigError, match="neighbors,times, this one of aligned"):
        train(single, dataset, tmp_path / "one", warm_start=run[0])
    shutil.copytree(run[0] / "experts" / "aligned", tmp_path / "aligned")
    with pytest.raises(ConfigError, match="experts=aligned, this one of graph,aligned"):
        train(SETTINGS, dataset, tmp_path / "several", warm_start=tmp_path / "aligned")
    shutil.copytree(run[0] / "checkpoints", tmp_path / "part" / "checkpoints")
    with pytest.raises(ConfigError, match="lacks its folder experts: copy the whole run"):
        train(SETTINGS, dataset, tmp_path / "several", warm_start=tmp_path / "part")


def test_the_checkpoints_alone_are_the_model(run, dataset, tmp_path):
    shutil.copytree(run[0] / "checkpoints", tmp_path / "checkpoints")
    whole, copy = load_model(run[0], dataset), load_model(tmp_path, dataset)
    items = Interactions.from_rows([np.array([3, 7])])
    for name, row in whole.mixture.user_rows(items).items():
        np.testing.assert_array_equal(copy.mixture.user_rows(items)[name], row)
    for name in TRAINED:
        own = load_model(run[0] / "experts" / name, dataset).main
        np.testing.assert_array_equal(copy.experts[name].nodes().fused, own.nodes().fused)


def test_other_runs_are_refused(run, dataset, dataset_without_text, tmp_path):
    workdir = run[0]
    with pytest.raises(CheckpointError, match="already holds a run: resume it"):
        train(SETTINGS, dataset, workdir, resume=False)
    with pytest.raises(CheckpointError, match="fingerprint"):
        train(SETTINGS.replace(experts=None), dataset_without_text, workdir)
    with pytest.raises(CheckpointError, match=r"other settings: .*--dropout=0.1 \(was 0.4\)"):
        train(SETTINGS.replace(dropout=0.1), dataset, workdir)
    with pytest.raises(CheckpointError, match="--experts=aligned"):
        train(SETTINGS.replace(experts="aligned"), dataset, workdir)
    alone = tmp_path / "alone"
    train(SETTINGS.replace(experts="aligned", epochs=0), dataset, alone)
    with pytest.raises(CheckpointError, match="a run of --experts=aligned alone"):
        train(SETTINGS, dataset, alone)


def test_a_warm_start_gives_each_expert_its_own(run, dataset, tmp_path):
    workdir, _ = run
    train(SETTINGS.replace(epochs=0), dataset, tmp_path, warm_start=workdir)
    for name in TRAINED:
        (one, _), (two, _) = (load_embeddings(x / "experts" / name, dataset)
                              for x in (workdir, tmp_path))  # fmt: skip
        np.testing.assert_array_equal(one.users, two.users)


def test_without_validation_data_all_count_the_same(dataset, tmp_path):
    empty = dataclasses.replace(dataset, valid=dataset.valid[:0])
    settings = SETTINGS.replace(experts="aligned,neighbors", epochs=1)
    result = train(settings, empty, tmp_path)
    assert result.weights == {"popularity": 0.0, "aligned": 0.5, "neighbors": 0.5}
    assert result.best_score is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "graph,aligned,neighbors,times"),
        ({"graph_embeddings": False}, "text,neighbors"),
        ({"text_encoder": "none"}, "graph"),
        ({"experts": "graph"}, "graph"),
        ({"experts": "text"}, "text"),
    ],
)
def test_the_experts_of_a_run(dataset, settings, expected):
    resolved = resolve(Settings(**settings), dataset)
    assert resolved.experts == expected
    assert (resolved.text_encoder == "none") == (expected == "graph")
    assert resolved.graph_embeddings == (not expected.startswith("text"))


def test_the_order_of_the_experts_is_always_the_same(dataset):
    assert resolve(Settings(experts=" neighbors,text"), dataset).experts == "text,neighbors"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"experts": "grpah"}, "'grpah' is none of graph, text, aligned, neighbors"),
        ({"experts": ""}, "'' is none of"),
        ({"experts": "neighbors"}, "add one that is trained"),
        ({"experts": "aligned", "graph_embeddings": False}, "aligned is not possible with"),
        ({"experts": "graph,text", "text_encoder": "none"}, "text needs text features"),
    ],
)
def test_impossible_experts_are_refused(dataset, settings, message):
    with pytest.raises(ConfigError, match=message):
        resolve(Settings(**settings), dataset)


def test_a_large_catalog_has_no_neighbors(dataset):
    manifest = dataclasses.replace(dataset.manifest, n_items=20_000)
    large = dataclasses.replace(dataset, manifest=manifest)
    assert resolve(Settings(), large).experts == "graph,aligned,times"
    with pytest.raises(ConfigError, match="up to 16,384 items, this one has 20,000"):
        resolve(Settings(experts="aligned,neighbors"), large)
