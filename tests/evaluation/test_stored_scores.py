import json

import numpy as np
import pytest

from symcere_jax.evaluation import Evaluation, evaluate
from symcere_jax.evaluation.stored_scores import write_scores


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
    assert "ndcg@10" in content


def test_per_user_values_are_arrays(evaluation, dataset, tmp_path):
    _, path = write_scores(evaluation, tmp_path, "test", dataset, 70)
    with np.load(path, allow_pickle=False) as content:
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
