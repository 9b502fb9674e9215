import sys
import types

import pytest

from symcere_jax.cli.tracking import Tracker
from symcere_jax.errors import ConfigError
from symcere_jax.settings import TRACKERS, Settings


@pytest.mark.parametrize("name", TRACKERS)
def test_settings_and_metrics_are_logged(tmp_path, monkeypatch, name):
    fake, calls = types.ModuleType(name), []
    for call in {
        "mlflow": ("start_run", "log_params", "log_metrics", "end_run"),
        "wandb": ("init", "log", "finish"),
    }[name]:

        def note(*arguments, call=call, **options):
            calls.append((call, *arguments, options))
            return fake

        setattr(fake, call, note)
    monkeypatch.setitem(sys.modules, name, fake)
    Tracker(name, tmp_path, Settings()).close()
    assert calls == []  # of a run that has not begun
    tracker = Tracker(name, tmp_path, Settings(epochs=3))
    for seed in (0, 1):
        tracker.log(f"graph_{seed}", {"epoch": 1, "step": 4, "ndcg@10": 0.25})
    tracker.close()
    first, *_, last = calls
    assert first[0] in ("start_run", "init") and str(tmp_path) in str(first)
    assert last[0] in ("end_run", "finish")
    assert sum("'epochs': 3" in str(call) for call in calls) == 1
    logged = [call[1] for call in calls if call[0] in ("log", "log_metrics")]
    assert [values[f"graph_{seed}/ndcg_10"] for seed, values in enumerate(logged)] == [0.25, 0.25]


def test_an_unknown_tracker_and_one_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for name, message in (("x", "mlflow, wandb"), ("mlflow", r"symcere-jax\[mlflow\]")):
        with pytest.raises(ConfigError, match=message):
            Tracker(name, tmp_path, Settings())
