import json

import numpy as np
import pytest

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import Evaluation, evaluate
from symcere_jax.evaluation.stored_scores import cutoff, distinct_names, read_runs, write_scores
from tests.scored import score_at_random


def _rewrite(folder, **changes):
    """Changes arrays of a run's per-user file; None takes one out."""
    path = folder / "per_user_test.npz"
    with np.load(path) as content:
        arrays = dict(content) | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_the_cutoff_of_a_metric():
    assert cutoff("ndcg@10") == 10
    assert cutoff("hit_rate@5") == 5
    for metric in ("ndcg", "ndcg@", "ndcg@0", "@10", "ndcg@ten", "ndcg@10 "):
        with pytest.raises(ConfigError, match="must be a name and a cutoff, such as ndcg@10"):
            cutoff(metric)


@pytest.mark.parametrize(("metric", "k"), [("ndcg@10", 10), ("recall@3", 3)])
def test_a_run_comes_back_as_it_was_scored(dataset, tmp_path, metric, k):
    folder = score_at_random(tmp_path / "plain", dataset, skill=0.3)
    (run,) = read_runs([folder], dataset, "test", metric)
    metrics = json.loads((folder / "metrics_test.json").read_text())
    assert run.name == "plain"
    assert run.values.shape == (1, metrics["n_users"])
    assert run.values.mean() == pytest.approx(metrics[metric])
    beyond = {name: metrics[name] for name in (f"coverage@{k}", f"gini@{k}", f"popularity@{k}")}
    assert run.beyond_accuracy == pytest.approx(beyond)
    assert run.recommended.shape == (1, metrics["n_users"], k)


def test_seeds_are_kept_apart(dataset, tmp_path):
    seeds = [
        score_at_random(tmp_path / f"many/seed_{seed}", dataset, seed=seed, skill=0.3)
        for seed in range(3)
    ]
    alone = [read_runs([seed], dataset, "test", "ndcg@10")[0] for seed in seeds]
    (tmp_path / "many" / "seed_notes.txt").write_text("not a run")
    (run,) = read_runs([tmp_path / "many"], dataset, "test", "ndcg@10")
    assert run.name == "many"
    np.testing.assert_array_equal(run.values, np.concatenate([one.values for one in alone]))
    for name, value in run.beyond_accuracy.items():
        assert value == pytest.approx(np.mean([one.beyond_accuracy[name] for one in alone]))
    (some,) = read_runs([tmp_path / "many"], dataset, "test", "ndcg@10", seeds=[2, 0])
    np.testing.assert_array_equal(some.values, run.values[[2, 0]])


def test_names_are_the_shortest_that_differ(tmp_path):
    def names(*paths):
        return distinct_names([tmp_path / path for path in paths])

    assert names("a/x", "b/y") == ["x", "y"]
    assert names("x/seed_0", "y/seed_0") == ["x", "y"]
    assert names("a/x", "b/x", "b/y") == ["a/x", "b/x", "b/y"]
    assert names("x") == ["x"]
    with pytest.raises(ConfigError, match="is given twice; name each run once"):
        names("a/x", "b", "a/x/")


def test_other_data_is_refused(dataset, dataset_without_text, tmp_path):
    folder = score_at_random(tmp_path / "plain", dataset)
    with pytest.raises(DataError) as caught:
        read_runs([folder], dataset_without_text, "test", "ndcg@10")
    message = str(caught.value)
    assert "metrics_test.json: scored on other data" in message
    assert dataset.fingerprint in message and dataset_without_text.fingerprint in message
    assert "\n" not in message


def test_another_split_is_refused(dataset, tmp_path):
    folder = score_at_random(tmp_path / "plain", dataset, split="valid")
    with pytest.raises(DataError, match=r"has no metrics_test\.json: score the run with .*=test"):
        read_runs([folder], dataset, "test", "ndcg@10")
    for kind, ending in (("metrics", "json"), ("per_user", "npz")):
        (folder / f"{kind}_valid.{ending}").rename(folder / f"{kind}_test.{ending}")
    with pytest.raises(DataError, match="split is 'valid'; score the run on test"):
        read_runs([folder], dataset, "test", "ndcg@10")


def test_other_users_are_refused(dataset, tmp_path):
    folder = score_at_random(tmp_path / "plain", dataset)
    (run,) = read_runs([folder], dataset, "test", "ndcg@10")
    few = {"users": np.unique(dataset.test[:, 0])[1:], "ndcg@10": run.values[0, 1:]}
    _rewrite(folder, **few)
    with pytest.raises(DataError, match="users are not those with a test item"):
        read_runs([folder], dataset, "test", "ndcg@10")


def test_a_metric_that_was_not_kept_is_refused(dataset, tmp_path):
    folder = score_at_random(tmp_path / "plain", dataset)
    for metric in ("ndcg@50", "coverage@10"):
        message = rf"has no {metric} for each user \(it has: ndcg@3, .*choose one of these"
        with pytest.raises(DataError, match=message):
            read_runs([folder], dataset, "test", metric)


def test_a_seed_without_scores_is_named(dataset, tmp_path):
    score_at_random(tmp_path / "many/seed_0", dataset)
    (tmp_path / "many/seed_1").mkdir()
    with pytest.raises(DataError, match=r"seed_1 has no metrics_test\.json"):
        read_runs([tmp_path / "many"], dataset, "test", "ndcg@10")
    with pytest.raises(DataError, match=r"no run at .*nowhere"):
        read_runs([tmp_path / "nowhere"], dataset, "test", "ndcg@10")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_damaged_metrics_are_refused(dataset, tmp_path, content):
    folder = score_at_random(tmp_path / "plain", dataset)
    (folder / "metrics_test.json").write_bytes(content)
    with pytest.raises(DataError, match=r"metrics_test\.json: .*; score the run again"):
        read_runs([folder], dataset, "test", "ndcg@10")


def test_damaged_values_are_refused(dataset, tmp_path):
    folder = score_at_random(tmp_path / "plain", dataset)
    path = folder / "per_user_test.npz"
    whole = path.read_bytes()
    flipped = [  # within the compressed users, the first array
        whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        for place in range(60, 260, 10)
    ]
    for content in (b"", whole[:10], whole[:-40], *flipped):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"per_user_test\.npz: not readable .*; score the run"):
            read_runs([folder], dataset, "test", "ndcg@10")
    path.unlink()
    with pytest.raises(DataError, match=r"per_user_test\.npz is missing; score the run again"):
        read_runs([folder], dataset, "test", "ndcg@10")


@pytest.mark.parametrize("defect", ["nan", "short", "beyond", "below", "narrow", "float", "flat"])
def test_malformed_values_are_refused(dataset, tmp_path, defect):
    folder = score_at_random(tmp_path / "plain", dataset)
    with np.load(folder / "per_user_test.npz") as content:
        values, recommended = content["ndcg@10"], content["recommended"]
    changes = {
        "nan": {"ndcg@10": np.where(np.arange(len(values)) == 3, np.nan, values)},
        "short": {"ndcg@10": values[1:]},
        "beyond": {"recommended": recommended + dataset.n_items},
        "below": {"recommended": recommended - 2 * dataset.n_items},
        "narrow": {"recommended": recommended[:, :9]},
        "float": {"recommended": recommended.astype(np.float64)},
        "flat": {"recommended": recommended[:, 0]},
    }[defect]
    _rewrite(folder, **changes)
    with pytest.raises(DataError, match=r"is malformed for \d+ users and 50 items"):
        read_runs([folder], dataset, "test", "ndcg@10")
    _rewrite(folder, recommended=None)
    with pytest.raises(DataError, match="not readable"):
        read_runs([folder], dataset, "test", "ndcg@10")


@pytest.fixture(scope="module")
def evaluation(dataset) -> Evaluation:
    scores = np.random.default_rng(0).random((dataset.n_users, dataset.n_items), np.float32)
    return evaluate(lambda scores, users: scores[users], scores, dataset, "test", ks=(3, 10))


def test_metrics_are_flat_beside_where_they_come_from(evaluation, dataset, tmp_path):
    paths = write_scores(evaluation, tmp_path, "test", dataset, 70)
    assert paths == [tmp_path / "metrics_test.json", tmp_path / "per_user_test.npz"]
    content = json.loads(paths[0].read_text())
    origin = {
        "dataset": "small",
        "fingerprint": dataset.fingerprint,
        "split": "test",
        "n_users": len(evaluation.users),
        "step": 70,
    }
    assert content == origin | dict(evaluation.metrics)
    with np.load(paths[1], allow_pickle=False) as content:
        assert set(content) == {"users", "recommended", *evaluation.per_user}
        np.testing.assert_array_equal(content["users"], evaluation.users)
        np.testing.assert_array_equal(content["recommended"], evaluation.recommended)
        assert content["users"].dtype == content["recommended"].dtype == np.int32
        assert content["recommended"].shape == (len(evaluation.users), 10)
        for name, values in evaluation.per_user.items():
            assert content[name].dtype == np.float64
            np.testing.assert_array_equal(content[name], values)
            # What the means are taken of.
            assert content[name].mean() == evaluation.metrics[name]


@pytest.mark.parametrize("stop", ["numpy.savez_compressed", "json.dumps"])
def test_files_that_are_there_stay_whole_when_writing_fails(
    evaluation, dataset, tmp_path, monkeypatch, stop
):
    paths = write_scores(evaluation, tmp_path, "test", dataset, 1)
    before = paths[1].read_bytes()

    def fail(target, *arguments, **options):
        if stop == "numpy.savez_compressed":
            target.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(stop, fail)
    with pytest.raises(OSError, match="no space left"):
        write_scores(evaluation, tmp_path, "test", dataset, 2)
    assert paths[1].read_bytes() == before
    assert json.loads(paths[0].read_text())["split"] == "test"
