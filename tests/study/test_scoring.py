import dataclasses
import json
import shutil

import numpy as np
import pytest

from symcere_jax.errors import CheckpointError
from symcere_jax.evaluation import evaluate
from symcere_jax.locking import locked
from symcere_jax.models import score_block, score_factors
from symcere_jax.study import scoring
from symcere_jax.study.scoring import follow, read_records, score_run
from symcere_jax.training import LOCK, Metadata, load_embeddings, load_factors


class Clock:
    """Time that passes by waiting alone; something may happen meanwhile."""

    def __init__(self) -> None:
        self.seconds, self.events = 0.0, []

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.events:
            self.events.pop(0)()

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(scoring, "time", clock)
    return clock


def test_a_run_that_has_ended_is_scored_once(trained_run, dataset, tmp_path):
    workdir = shutil.copytree(trained_run, tmp_path / "run")
    record, end = follow(workdir, dataset, "valid")
    assert end == {"end": "complete"}
    factors, metadata = load_factors(workdir, dataset)
    assert record["step"] == metadata.progress.best_step
    assert record["epoch"] == record["step"] // metadata.steps_per_epoch
    expected = evaluate(score_factors, factors, dataset, "valid").metrics
    assert {name: record[name] for name in expected} == expected
    path = workdir / "follow_valid.jsonl"
    assert read_records(path) == [record]
    # Again: what is scored is not scored again; a line that was cut off does no harm.
    with path.open("a") as file:
        file.write('{"step": 4')
    assert list(follow(workdir, dataset, "valid")) == [end]
    assert read_records(path) == [record]


def test_a_better_score_at_the_same_step_is_another_version(
    trained_run, dataset, tmp_path, monkeypatch, clock
):
    workdir = shutil.copytree(trained_run, tmp_path / "run")
    factors, metadata = load_factors(workdir, dataset)
    versions = [
        dataclasses.replace(metadata, progress=dataclasses.replace(metadata.progress, best_score=x))
        for x in (0.25, 0.5)
    ]
    monkeypatch.setattr(scoring, "_newest_metadata", lambda _: versions[0])
    monkeypatch.setattr(scoring, "load_factors", lambda *_: (factors, versions[0]))
    clock.events = [lambda: versions.pop(0)]
    lock = locked(workdir / LOCK, "it", "go")
    with lock:
        found = follow(workdir, dataset, "valid")
        records = [next(found), next(found)]
    assert [record["valid_score"] for record in records] == [0.25, 0.5]
    assert records[0]["step"] == records[1]["step"]
    assert list(found) == [{"end": "complete"}]
    assert list(follow(workdir, dataset, "valid")) == [{"end": "complete"}]


def test_it_waits_for_a_run_to_begin_and_to_end(trained_run, dataset, tmp_path, monkeypatch, clock):
    workdir = tmp_path / "run"
    workdir.mkdir()
    state = {"complete": False}
    monkeypatch.setattr(Metadata, "is_complete", property(lambda _: state["complete"]))
    lock = locked(workdir / LOCK, "it", "go")

    def saves():
        shutil.copytree(trained_run / "checkpoints", workdir / "checkpoints")

    def ends():
        state["complete"] = True
        lock.__exit__(None, None, None)

    clock.events = [lock.__enter__, lambda: None, saves, lambda: None, ends]
    found = list(follow(workdir, dataset, "valid", every=2.0, max_wait=3.0))
    assert [set(record) & {"step", "end"} for record in found] == [{"step"}, {"end"}]
    assert found[-1] == {"end": "complete"}
    assert clock.seconds == 10.0


def test_a_run_that_nobody_goes_on_with_is_given_up(dataset, tmp_path, clock):
    found = list(follow(tmp_path, dataset, "valid", every=5.0, max_wait=20.0))
    assert found == [{"end": "abandoned"}]
    assert clock.seconds == 20.0


def test_a_run_on_other_data_is_refused(trained_run, dataset_without_text, tmp_path):
    workdir = shutil.copytree(trained_run, tmp_path / "run")
    with pytest.raises(CheckpointError, match="give the folder that it was trained on"):
        list(follow(workdir, dataset_without_text, "valid"))


def test_scores_are_those_of_the_best_checkpoint(trained_run, dataset, tmp_path):
    workdir = shutil.copytree(trained_run, tmp_path / "run")
    evaluation, paths = score_run(workdir, dataset, "valid", ks=(3,))
    embeddings, metadata = load_embeddings(workdir, dataset)
    scores = np.array(score_block(embeddings, np.arange(dataset.n_users)))
    scores[tuple(dataset.train.T)] = -np.inf
    recommended = np.argsort(-scores[evaluation.users], axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(evaluation.recommended, recommended)
    held_out = set(map(tuple, dataset.valid.tolist()))
    hits = [
        [(user, item) in held_out for item in row]
        for user, row in zip(evaluation.users.tolist(), recommended.tolist(), strict=True)
    ]
    assert evaluation.metrics["precision@3"] == pytest.approx(np.mean(hits))
    assert paths == [workdir / "metrics_valid.json", workdir / "per_user_valid.npz"]
    assert json.loads(paths[0].read_text())["step"] == metadata.progress.best_step
