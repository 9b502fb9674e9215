import dataclasses
import itertools
import shutil
import types

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

from symcere_jax.errors import CheckpointError, SymcereError
from symcere_jax.evaluation import evaluate
from symcere_jax.models import score_block
from symcere_jax.settings import Settings
from symcere_jax.training import Checkpoints, load_embeddings, loop, run, train
from symcere_jax.training.metric_log import read_metric_log

# Three calls of two steps an epoch, with dropout. Text starts at a tiny weight: training helps,
# and a few epochs are too many, so that the best is not the last.
SETTINGS = {
    "item_text_weight": 0.003,
    "user_text_weight": 0.003,
    "learning_rate": 0.01,
    "embedding_learning_rate": 0.003,
    "scalar_learning_rate": 0.5,
    "parameter_average": 0.3,
    "temperature": 0.3,
    "batch_size": 128,
    "steps_per_call": 2,
    "embedding_dim": 8,
    "n_layers": 1,
    "propagation": "segment",
    "user_ranking_weight": 0.0,
    "cross_modal_weight": 0.0,
    "experts": "aligned",
    "epochs": 4,
}
STEPS_PER_EPOCH = 6


def _config(**settings) -> Settings:
    return Settings(**SETTINGS | settings)


def _records(workdir) -> list[dict[str, float]]:
    """The records without the seconds."""
    records = read_metric_log(workdir)
    assert all(record.pop("seconds") >= 0 for record in records)
    return records


def _stop_after(n_calls: int):
    """Asks to stop after so many calls of the device."""
    calls = itertools.count()
    return lambda: next(calls) >= n_calls


def _collect_states(patch: pytest.MonkeyPatch) -> list:
    """A list that gets the state of a run at each of its saves."""
    collected: list = []
    save = loop._Training.save

    def collect_and_save(training, state):
        collected.append(jax.tree.map(np.asarray, state))
        save(training, state)

    patch.setattr(loop._Training, "save", collect_and_save)
    return collected


@pytest.fixture
def states(monkeypatch):
    """The states that runs of a test have saved."""
    return _collect_states(monkeypatch)


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    """A run without interrupt: how it ended, its state, its workdir; not to be changed."""
    workdir = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        states = _collect_states(patch)
        result = train(_config(), dataset, workdir)
    return types.SimpleNamespace(result=result, state=states[-1], workdir=workdir)


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run's workdir."""
    return shutil.copytree(finished.workdir, tmp_path / "copy")


def _assert_equal(found, expected):
    """The same structure, the same bits."""
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def _progress(workdir):
    return Checkpoints(workdir).metadata().progress


def _best(workdir, state):
    return Checkpoints(workdir).read(lambda _: {"best": state.params})[1]["best"]


def _assert_same_end(result, state, workdir, finished):
    assert dataclasses.replace(result, seconds=0) == dataclasses.replace(finished.result, seconds=0)
    _assert_equal(state, finished.state)
    assert _records(workdir) == _records(finished.workdir)
    assert Checkpoints(workdir).metadata().progress == _progress(finished.workdir)
    _assert_equal(_best(workdir, finished.state), _best(finished.workdir, finished.state))


def test_the_last_step_is_evaluated_and_saved(finished):
    assert (finished.result.stop, finished.result.epochs) == ("epochs", 4)
    records = _records(finished.workdir)
    assert [record["epoch"] for record in records] == [0, 1, 2, 3, 4]
    losses = [record.get("loss") for record in records]
    assert losses[0] is None and losses[-1] < losses[1]
    assert losses[1:] == [pytest.approx(record["ranking"]) for record in records[1:]]
    assert [record["step"] for record in records] == [STEPS_PER_EPOCH * n for n in range(5)]
    assert _progress(finished.workdir).step == 4 * STEPS_PER_EPOCH
    _, parts = Checkpoints(finished.workdir).read(lambda _: {"state": finished.state})
    _assert_equal(parts["state"], finished.state)


def test_the_best_checkpoint_is_the_best_record(finished, dataset):
    records = _records(finished.workdir)
    scores = [record["ndcg@10"] for record in records]
    best = int(np.argmax(scores))
    assert finished.result.best_epoch == best
    assert 0 < best < 4
    assert finished.result.best_score == scores[best]
    embeddings, metadata = load_embeddings(finished.workdir, dataset)
    assert metadata.progress.best_step == best * STEPS_PER_EPOCH
    metrics = evaluate(score_block, embeddings, dataset, "valid", ks=(10,)).metrics
    assert metrics == {name: records[best][name] for name in metrics}
    newest = max((finished.workdir / "checkpoints").iterdir(), key=lambda path: int(path.name))
    for kind, ids in (("user", dataset.user_ids()), ("item", dataset.item_ids())):
        table = pq.read_table(newest / "ids" / f"{kind}s.parquet")
        assert table[f"{kind}_id"].to_pylist() == ids.tolist()


def test_a_resumed_run_equals_one_without_interrupt(finished, dataset, tmp_path, states):
    """2N epochs are N, restore, N."""
    assert train(_config(epochs=2), dataset, tmp_path).epochs == 2
    result = train(_config(), dataset, tmp_path)
    _assert_same_end(result, states[-1], tmp_path, finished)


@pytest.mark.parametrize("n_calls", [0, 4])
def test_a_stopped_run_resumes_where_it_was(finished, dataset, tmp_path, states, n_calls):
    result = train(_config(), dataset, tmp_path, should_stop=_stop_after(n_calls))
    assert (result.stop, result.epochs) == ("request", n_calls // 3)
    assert _progress(tmp_path).step == 2 * n_calls
    assert len(_records(tmp_path)) == 1 + result.epochs
    with (tmp_path / "metrics.jsonl").open("a") as file:  # a killed run logs more than it saves
        file.write('{"epoch": 2, "step": 12, "seconds": 1.0}\n{"epoch": 3, "st')
    result = train(_config(), dataset, tmp_path)
    _assert_same_end(result, states[-1], tmp_path, finished)


def test_checkpoints_between_epochs_change_nothing(finished, dataset, tmp_path, states):
    result = train(_config(), dataset, tmp_path, checkpoint_seconds=-1.0)
    assert [int(state.step) for state in states] == [*range(2, 25, 2), 24]
    _assert_same_end(result, states[-1], tmp_path, finished)


@pytest.mark.parametrize("epochs", [4, 1])
def test_a_finished_run_called_again_does_nothing(finished, dataset, copy, epochs):
    result = train(_config(epochs=epochs), dataset, copy)
    _assert_same_end(result, finished.state, copy, finished)


def test_another_run_is_refused(finished, dataset, copy, monkeypatch):
    manifest = dataclasses.replace(dataset.manifest, fingerprint="another")
    other = dataclasses.replace(dataset, manifest=manifest)
    cases = [
        (r"other settings: --learning_rate=0.5 \(was 0.\d+\); use its",
         lambda: train(_config(learning_rate=0.5), dataset, copy)),
        (r"--seed=1 \(was 0\), --steps_per_call=3 \(was 2\); use its settings or another",
         lambda: train(_config(seed=1, steps_per_call=3), dataset, copy)),
        ("give the folder that it was trained on", lambda: train(_config(), other, copy)),
        ("give the folder that it was trained on", lambda: load_embeddings(copy, other)),
        ("already holds a run: resume it with --resume",
         lambda: train(_config(), dataset, copy, resume=False)),
    ]  # fmt: skip
    for message, use in cases:
        with pytest.raises(CheckpointError, match=message):
            use()
    assert _records(copy) == _records(finished.workdir)
    monkeypatch.setattr(run, "fit_batch_size", lambda *_: (64, 1))
    message = r"6 steps of 128 .* would make it 10 of 64: use as many .* divides 128"
    with pytest.raises(CheckpointError, match=message):
        train(_config(), dataset, copy)


@pytest.fixture
def scripted(monkeypatch):
    """Replaces the validation scores by given ones, from the untrained model on."""

    def script(*scores):
        evaluations = iter([types.SimpleNamespace(metrics={"ndcg@10": score}) for score in scores])
        monkeypatch.setattr(loop, "evaluate", lambda *_, **__: next(evaluations))

    return script


def test_patience_ends_a_run_and_the_best_is_kept(dataset, tmp_path, states, scripted):
    scripted(0.1, 0.3, 0.2, 0.3)
    result = train(_config(patience=2), dataset, tmp_path)
    # An equal score is no gain: the earlier epoch stays the best.
    assert (result.stop, result.epochs, result.best_epoch) == ("patience", 3, 1)
    assert result.best_score == 0.3
    scripted(0.1, 0.3)
    train(_config(patience=2, epochs=1), dataset, tmp_path / "one_epoch")
    _assert_equal(_best(tmp_path, states[0]), states[-1].average)

    scripted(0.4)
    result = train(_config(patience=3), dataset, tmp_path)
    assert (result.stop, result.epochs, result.best_score) == ("epochs", 4, 0.4)


def test_patience_is_kept_over_an_interrupt(dataset, tmp_path, scripted):
    scripted(0.3, 0.2, 0.1)
    train(_config(patience=3, epochs=2), dataset, tmp_path)
    scripted(0.0)
    result = train(_config(patience=3, epochs=9), dataset, tmp_path)
    assert (result.stop, result.epochs, result.best_epoch) == ("patience", 3, 0)


def test_without_validation_data_the_last_epoch_wins(dataset, tmp_path, states):
    empty = dataclasses.replace(dataset, valid=dataset.valid[:0])
    result = train(_config(epochs=2, patience=1), empty, tmp_path)
    assert (result.stop, result.best_epoch, result.best_score) == ("epochs", 2, None)
    _assert_equal(_best(tmp_path, states[-1]), states[-1].average)
    assert all("ndcg@10" not in record for record in _records(tmp_path))


def test_no_epochs_leave_the_untrained_model(dataset, tmp_path):
    result = train(_config(epochs=0), dataset, tmp_path)
    assert (result.stop, result.epochs, result.best_epoch) == ("epochs", 0, 0)
    embeddings, metadata = load_embeddings(tmp_path, dataset)
    assert metadata.progress.step == 0
    assert np.isfinite(embeddings.users).all()
    assert (np.asarray(embeddings.item_bias) == 0).all()  # the prior starts at 0


def test_a_diverged_run_keeps_its_last_checkpoint(dataset, tmp_path, monkeypatch):
    rates = {"learning_rate": 1e38, "embedding_learning_rate": 1e38, "normalize": False}
    settings = _config(**rates, steps_per_call=1)
    with pytest.raises(
        SymcereError,
        match=r"the loss is not finite from step 1 on, seen at step 2; the last good checkpoint, "
        r"of step 1, is kept: .* lower --learn",
    ):
        train(settings, dataset, tmp_path, checkpoint_seconds=-1.0)
    assert _progress(tmp_path).step == 1
    load_embeddings(tmp_path, dataset)


def test_parameters_that_are_not_finite_are_never_kept(dataset, tmp_path, monkeypatch):
    """The loss of a step is finite, and what the step makes of the parameters is not."""
    train(_config(), dataset, tmp_path, should_stop=_stop_after(2))
    build_steps = run.build_steps

    def spoiled(*arguments, **keywords):
        steps = build_steps(*arguments, **keywords)

        def run_steps(*arguments):
            state, terms = steps(*arguments)
            params = jax.tree.map(lambda leaf: leaf * np.nan, state.params)
            return dataclasses.replace(state, params=params), terms

        return run_steps

    monkeypatch.setattr(run, "_programs", run._programs.__wrapped__)  # not into the cache
    monkeypatch.setattr(run, "build_steps", spoiled)
    message = "the parameters are not finite after step 6; the last good checkpoint, of step 4, is"
    with pytest.raises(SymcereError, match=message):
        train(_config(), dataset, tmp_path)
    assert _progress(tmp_path).step == 4


def test_a_run_resumes_with_another_method_of_message_passing_and_tells_its_observer(dataset, copy):
    told = []
    observer = types.SimpleNamespace(
        start=lambda *arguments: told.append(
            ("start", arguments[0].epochs, *arguments[1:3], arguments[3].step)
        ),
        steps=lambda epoch, steps, loss: told.append(("steps", epoch, steps, loss > 0)),
        epoch=lambda record, best: told.append(("epoch", record["epoch"], best)),
    )
    result = train(_config(propagation="bucketed", epochs=5), dataset, copy, observer=observer)
    assert result.epochs == 5
    assert Checkpoints(copy).metadata().settings.propagation == "bucketed"
    assert told[0] == ("start", 5, STEPS_PER_EPOCH, 128, 4 * STEPS_PER_EPOCH)
    assert told[1:4] == [("steps", 5, 2, True)] * 3
    assert [event[:2] for event in told[4:]] == [("epoch", 5)]
