import sys
import types

import pytest

from symcere_jax.cli.tracking import tracked
from symcere_jax.errors import ConfigError
from symcere_jax.models import resolve
from symcere_jax.settings import TRACKERS, Settings
from symcere_jax.training import Progress


class Fake(types.ModuleType):
    """Both packages at once; a run of one is the module of the other."""

    def __init__(self, name):
        super().__init__(name)
        self.calls = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments, **options):
            self.calls.append((name, *arguments, *options.items()))
            return self

        return call


class Told:
    def __init__(self):
        self.calls = []

    def start(self, *arguments):
        self.calls.append("start")

    def steps(self, *arguments):
        self.calls.append("steps")

    def epoch(self, *arguments):
        self.calls.append("epoch")


@pytest.mark.parametrize("name", TRACKERS)
def test_settings_and_metrics_are_logged(dataset, tmp_path, monkeypatch, name):
    fake, told, settings = Fake(name), Told(), Settings(experts="graph", epochs=3)
    monkeypatch.setitem(sys.modules, name, fake)
    with pytest.raises(KeyboardInterrupt), tracked(name, tmp_path, settings, told) as observer:
        for seed in (0, 1):
            resolved = resolve(settings.replace(seed=seed), dataset)
            observer.start(resolved, 4, 8, Progress())
            observer.steps(1, 2, 0.5)
            observer.epoch({"epoch": 1, "step": 4, "ndcg@10": 0.25}, True)
        raise KeyboardInterrupt
    assert told.calls == ["start", "steps", "epoch"] * 2
    first, *_, last = fake.calls
    assert (
        str(tmp_path) in str(first) and first[0] == {"mlflow": "start_run", "wandb": "init"}[name]
    )
    assert last == ({"mlflow": "end_run", "wandb": "finish"}[name],)
    assert sum("'epochs': 3" in str(call) for call in fake.calls) == 1
    logged = [call[1] for call in fake.calls if call[0] in ("log", "log_metrics")]
    assert [values[f"graph_{seed}/ndcg_10"] for seed, values in enumerate(logged)] == [0.25, 0.25]


def test_without_a_tracker_and_with_a_wrong_one(tmp_path, monkeypatch):
    told = Told()
    with tracked(None, tmp_path, Settings(), told) as observer:
        assert observer is told
    with (
        pytest.raises(ConfigError, match="mlflow, wandb"),
        tracked("x", tmp_path, Settings(), told),
    ):
        pass
    monkeypatch.setitem(sys.modules, "mlflow", None)
    message = r"symcere-jax\[mlflow\]"
    with pytest.raises(ConfigError, match=message), tracked("mlflow", tmp_path, Settings(), told):
        pass
