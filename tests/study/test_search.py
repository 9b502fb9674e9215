"""The search with a pretended training, in this process: what it samples, keeps and takes up."""

import dataclasses
import math

import pytest

from symcere_jax.errors import BusyError, ConfigError, DataError, SymcereError
from symcere_jax.locking import LOCK, locked
from symcere_jax.settings import Settings
from symcere_jax.study import search as module
from symcere_jax.training import TrainResult
from tests.study.observer import NotingObserver

SPACE = "temperature=0.05..1:log n_layers=1..4"
BASE = Settings(temperature=0.1, n_layers=1, seed=3)
EPOCHS = 8


def score_of(settings):
    """Best at temperature 0.5 and 3 layers."""
    from_best = abs(math.log(settings.temperature / 0.5))
    return 0.5 - 0.1 * from_best - 0.02 * (settings.n_layers - 3) ** 2


class Machine:
    """Stands in for workers and training; notes what was trained: (folder, settings)."""

    def __init__(self):
        self.trained = []
        self.interrupt_after = math.inf
        self.score_of = score_of

    def run_tasks(self, work, tasks, *, processes, on_report, should_stop):
        results = (work(task, on_report, should_stop) for task in tasks if not should_stop())
        yield from (result for result in results if result is not None)

    def train(self, settings, dataset, workdir, *, observer, should_stop):
        self.trained.append((workdir.name, settings))
        (workdir / "checkpoints" / "0").mkdir(parents=True, exist_ok=True)
        score = self.score_of(settings)
        for number in range(EPOCHS):
            observer.epoch({"epoch": number, "ndcg@10": score * number / EPOCHS}, False)
            if len(self.trained) > self.interrupt_after:
                raise KeyboardInterrupt
            if should_stop():
                return TrainResult("request", number, number, score, 0.0, 1.0)
        return TrainResult("epochs", EPOCHS, EPOCHS, score, 0.0, 1.0)


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(module, "run_tasks", machine.run_tasks)
    monkeypatch.setattr(module, "train", machine.train)
    return machine


def folders_with_checkpoints(workdir):
    return sorted({path.parts[-3] for path in workdir.glob("trial_*/checkpoints/*")})


def test_it_starts_from_the_given_settings_and_finds_better_ones(machine, dataset, tmp_path):
    result = module.search(BASE, dataset, tmp_path, SPACE, trials=30)
    assert [trial.number for trial in result.trials] == list(range(30))
    assert result.trials[0].settings == BASE
    complete = [trial for trial in result.trials if trial.state == "complete"]
    assert result.best.score == max(trial.score for trial in complete)
    assert result.best.score == pytest.approx(score_of(result.best.settings))
    assert result.best.score > score_of(BASE) + 0.1
    assert result.best.settings == BASE.replace(**result.best.searched)
    assert not result.stopped
    assert folders_with_checkpoints(tmp_path) == [f"trial_{result.best.number}"]
    assert len({settings for _, settings in machine.trained}) == 30  # none is repeated


def test_more_trials_add_to_a_search(machine, dataset, tmp_path):
    first = module.search(BASE, dataset, tmp_path, SPACE, trials=3)
    machine.trained.clear()
    second = module.search(BASE, dataset, tmp_path, SPACE, trials=5)
    assert second.trials[:3] == first.trials
    assert [name for name, _ in machine.trained] == ["trial_3", "trial_4"]
    assert len({trial.settings for trial in second.trials}) == 5
    machine.trained.clear()
    assert module.search(BASE, dataset, tmp_path, SPACE, trials=4) == second
    assert machine.trained == []


def test_a_trial_that_was_told_to_stop_goes_on(machine, dataset, tmp_path):
    result = module.search(
        BASE, dataset, tmp_path, SPACE, trials=4, should_stop=lambda: len(machine.trained) == 2
    )
    assert result.stopped
    assert [trial.number for trial in result.trials] == [0]
    assert "trial_1" in folders_with_checkpoints(tmp_path)
    stopped = machine.trained[1]
    machine.trained.clear()
    result = module.search(BASE, dataset, tmp_path, SPACE, trials=4)
    assert machine.trained[0] == stopped
    assert [trial.number for trial in result.trials] == [0, 1, 2, 3]
    assert not result.stopped


def test_a_trial_that_was_killed_is_run_again(machine, dataset, tmp_path):
    machine.interrupt_after = 2
    with pytest.raises(KeyboardInterrupt):
        module.search(BASE, dataset, tmp_path, SPACE, trials=4)
    killed = machine.trained[-1]
    journal = tmp_path / module.JOURNAL
    journal.write_bytes(journal.read_bytes()[:-9])  # as if the kill had come within a line
    machine.trained.clear()
    machine.interrupt_after = math.inf
    result = module.search(BASE, dataset, tmp_path, SPACE, trials=4)
    assert machine.trained[0] == killed
    assert [name for name, _ in machine.trained] == ["trial_2", "trial_3"]
    assert [trial.number for trial in result.trials] == [0, 1, 2, 3]


def test_a_trial_that_diverges_is_noted_and_not_repeated(machine, dataset, tmp_path):
    def score(settings):
        if settings.n_layers == 1:
            raise SymcereError("the loss is not finite")
        return score_of(settings)

    machine.score_of = score
    result = module.search(BASE, dataset, tmp_path, SPACE, trials=6)
    failed = [trial for trial in result.trials if trial.state == "failed"]
    assert result.trials[0] in failed
    assert all(trial.error == "the loss is not finite" for trial in failed)
    assert all(trial.score is None for trial in failed)
    assert len(result.trials) == 6
    assert result.best.settings.n_layers != 1
    machine.trained.clear()
    module.search(BASE, dataset, tmp_path, SPACE, trials=6)
    assert machine.trained == []


@pytest.mark.parametrize("prune", [True, False])
def test_trials_worse_than_the_median_are_pruned(machine, dataset, tmp_path, prune):
    def score(settings):  # the first ones are good, all others are bad
        return 0.5 if len(machine.trained) <= module.RANDOM_TRIALS else 0.1

    machine.score_of = score
    trials = module.RANDOM_TRIALS + 2
    result = module.search(BASE, dataset, tmp_path, SPACE, trials=trials, prune=prune)
    late = result.trials[module.RANDOM_TRIALS :]
    assert {trial.state for trial in late} == {"pruned" if prune else "complete"}
    assert {trial.epochs for trial in late} == {module.EPOCHS_BEFORE_PRUNING if prune else EPOCHS}
    assert result.best.number < module.RANDOM_TRIALS
    assert folders_with_checkpoints(tmp_path) == [f"trial_{result.best.number}"]


def test_the_observer_is_told_everything(machine, dataset, tmp_path):
    observer = NotingObserver()
    for _ in range(2):
        module.search(BASE, dataset, tmp_path, SPACE, trials=1, observer=observer)
    epochs = [("trial 0", number) for number in range(EPOCHS)]
    line = f"trial   0 complete valid ndcg@10 {score_of(BASE):.4f} *"
    assert observer.told == [(1, 0), *epochs, line, (1, 1)]


def test_the_workdir_of_another_search_is_refused(machine, dataset, dataset_without_text, tmp_path):
    module.search(BASE, dataset, tmp_path, SPACE, trials=1)

    def refusal(settings=BASE, data=dataset, space=SPACE):
        with pytest.raises(ConfigError) as error:
            module.search(settings, data, tmp_path, space, trials=2)
        assert str(error.value).startswith(f"{tmp_path} holds a search with other ")
        return str(error.value)

    assert "settings: --dropout=0.1 (was 0.4);" in refusal(BASE.replace(dropout=0.1))
    assert "space: n_layers=1..3, was temperature" in refusal(space="n_layers=1..3")
    no_text = BASE.replace(text_encoder="none", embedding_dim=16)
    other = tmp_path / "other"
    module.search(no_text, dataset, other, SPACE, trials=1)
    with pytest.raises(ConfigError, match="other fingerprint"):
        module.search(no_text, dataset_without_text, other, SPACE, trials=2)


def test_a_search_needs_a_validation_split(machine, dataset, tmp_path):
    without = dataclasses.replace(dataset, valid=dataset.valid[:0])
    with pytest.raises(DataError, match=r"valid\.npy has no interactions.* --valid_share"):
        module.search(BASE, without, tmp_path, SPACE, trials=1)


def test_one_search_at_a_time(machine, dataset, tmp_path):
    with locked(tmp_path / LOCK, "it", "go"), pytest.raises(BusyError, match="is in use by"):
        module.search(BASE, dataset, tmp_path, SPACE, trials=1)
    assert machine.trained == []
    assert module.search(BASE, dataset, tmp_path, SPACE, trials=1).trials
