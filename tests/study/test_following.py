import shutil

import pytest

from symcere_jax.errors import CheckpointError
from symcere_jax.evaluation import evaluate
from symcere_jax.locking import locked
from symcere_jax.models import score_block
from symcere_jax.study import following
from symcere_jax.study.following import Waiting, follow, read_records
from symcere_jax.training import LOCK, load_embeddings, load_model
from symcere_jax.training.neighbors import FILE


class _Clock:
    """Time that passes by waiting alone; something may happen meanwhile."""

    def __init__(self, *events) -> None:
        self.seconds, self.events = 0.0, list(events)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.events:
            self.events.pop(0)()

    def waiting(self, **options) -> Waiting:
        return Waiting(sleep=self.sleep, now=lambda: self.seconds, **options)


@pytest.fixture
def score(dataset):
    return lambda embeddings: evaluate(score_block, embeddings, dataset, "valid", ks=(10,))


def test_a_run_that_has_ended_is_scored_once(trained_run, dataset, score, tmp_path):
    workdir = shutil.copytree(trained_run, tmp_path / "run")
    record, end = follow(workdir, dataset, "valid", score, _Clock().waiting())
    assert end == {"end": "complete"}
    embeddings, metadata = load_embeddings(workdir, dataset)
    assert record["step"] == metadata.progress.best_step
    assert record["epoch"] == record["step"] // metadata.steps_per_epoch
    expected = score(embeddings).metrics
    assert {name: record[name] for name in expected} == expected
    path = workdir / "follow_valid.jsonl"
    assert read_records(path) == [record]
    # Again: what is scored is not scored again; a line that was cut off does no harm.
    with path.open("a") as file:
        file.write('{"step": 4')
    assert list(follow(workdir, dataset, "valid", score, _Clock().waiting())) == [end]
    assert read_records(path) == [record]
    following._append(path, {"step": 99})
    assert read_records(path) == [record, {"step": 99}]


def test_the_weight_of_neighbours_that_a_run_ends_with_is_scored(
    trained_run, dataset, score, tmp_path
):
    workdir = shutil.copytree(trained_run, tmp_path / "run")
    trained = load_model(workdir, dataset)
    assert trained.neighbor_weight > 0
    choice = (workdir / FILE).rename(tmp_path / "choice")
    clock = _Clock(lambda: shutil.copy(choice, workdir / FILE))
    lock = locked(workdir / LOCK, "it", "go")
    with lock:
        found = follow(workdir, dataset, "valid", score, clock.waiting())
        records = [next(found), next(found)]
    assert [record["neighbor_weight"] for record in records] == [0.0, trained.neighbor_weight]
    assert records[0]["step"] == records[1]["step"]
    assert records[1]["ndcg@10"] > records[0]["ndcg@10"]
    assert list(found) == [{"end": "complete"}]
    assert list(follow(workdir, dataset, "valid", score, clock.waiting())) == [{"end": "complete"}]


def test_it_waits_for_a_run_to_begin_and_to_end(trained_run, dataset, score, tmp_path, monkeypatch):
    workdir = tmp_path / "run"
    workdir.mkdir()
    state = {"complete": False}
    monkeypatch.setattr(following, "_is_complete", lambda _: state["complete"])
    lock = locked(workdir / LOCK, "it", "go")

    def saves():
        shutil.copytree(trained_run / "checkpoints", workdir / "checkpoints")

    def ends():
        state["complete"] = True
        lock.__exit__(None, None, None)

    clock = _Clock(lock.__enter__, lambda: None, saves, lambda: None, ends)
    found = list(follow(workdir, dataset, "valid", score, clock.waiting(every=2.0, at_most=3.0)))
    assert [set(record) & {"step", "end"} for record in found] == [{"step"}, {"end"}]
    assert found[-1] == {"end": "complete"}
    assert clock.seconds == 10.0


def test_a_run_that_nobody_goes_on_with_is_given_up(dataset, score, tmp_path):
    clock = _Clock()
    found = list(follow(tmp_path, dataset, "valid", score, clock.waiting(every=5.0, at_most=20.0)))
    assert found == [{"end": "abandoned"}]
    assert clock.seconds == 20.0


def test_a_run_on_other_data_is_refused(trained_run, dataset_without_text, score, tmp_path):
    workdir = shutil.copytree(trained_run, tmp_path / "run")
    with pytest.raises(CheckpointError, match="give the folder that it was trained on"):
        list(follow(workdir, dataset_without_text, "valid", score, _Clock().waiting()))
