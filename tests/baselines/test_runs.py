import dataclasses
import json
from typing import ClassVar

import numpy as np
import pytest

from symcere_jax.baselines.base import Baseline, Scorer
from symcere_jax.baselines.methods import METHODS
from symcere_jax.baselines.runs import (
    BaselineRecord,
    BaselineSummary,
    BaselineTrial,
    run_baseline,
    sample_settings,
)
from symcere_jax.errors import BusyError, ConfigError
from symcere_jax.locking import LOCK, locked
from tests.evaluation import folders

from . import small

_FITS = []


@dataclasses.dataclass(frozen=True)
class Toy(Baseline):
    """A method that knows the truth in part; its fits are noted."""

    title = "Toy"
    random = True
    space: ClassVar = {"quality": (0.0, 0.3, 1.0), "width": (1, 2)}
    quality: float = 0.0  # share of the truth
    width: int = 1  # no effect

    def fit(self, dataset, seed):
        _FITS.append((self, seed))
        truth = np.zeros((dataset.n_users, dataset.n_items), np.float32)
        for split in ("valid", "test"):
            truth[*dataset.interactions(split).T] = self.quality
        noise = np.random.default_rng(seed).random(truth.shape, np.float32)
        return Scorer(folders.lookup, truth + (1 - self.quality) * noise)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(METHODS, "toy", Toy)
    _FITS.clear()
    return _FITS


def test_settings_are_distinct_and_start_with_the_defaults():
    method = METHODS["lightgcn"]
    found = sample_settings(method, 30)
    assert found[0] == dataclasses.asdict(method())
    assert len({tuple(settings.items()) for settings in found}) == 30
    for settings in found[1:]:
        searched = {name: settings[name] for name in method.space}
        assert all(value in method.space[name] for name, value in searched.items())
        assert settings == found[0] | searched
    assert len({settings["l2"] for settings in found}) == 4
    assert sample_settings(method, 7) == found[:7]  # more trials add settings


@pytest.mark.parametrize(("name", "n"), [("popularity", 1), ("ease", 12), ("toy", 6)])
def test_a_small_space_is_tried_whole(name, n, toy):
    assert len(sample_settings(METHODS[name], 100)) == n


def test_chooses_on_valid_and_tests_each_seed(toy, tmp_path):
    data, told = small.dataset(), []
    record = run_baseline(
        "toy", data, tmp_path, trials=6, seeds=3, progress=lambda *what: told.append(what)
    )
    assert record.best.settings["quality"] == 1.0
    assert record.best.score == 1.0
    assert [seed for _, seed in toy] == [0] * 6 + [0, 1, 2]
    assert {settings.quality for settings, _ in toy[6:]} == {1.0}
    assert told == [(done, 9) for done in range(1, 10)]
    content = json.loads((tmp_path / "toy" / "settings.json").read_text())
    assert content["chosen"] == record.best.settings
    assert content["valid_ndcg@10"] == 1.0
    assert len(content["trials"]) == 6
    for seed in range(3):
        folder = tmp_path / "toy" / f"seed_{seed}"
        metrics = json.loads((folder / "metrics_test.json").read_text())
        assert metrics["ndcg@10"] == 1.0
        with np.load(folder / "per_user_test.npz") as arrays:
            assert arrays["users"].tolist() == [0, 1, 3, 5]


def test_goes_on_after_an_interrupt(toy, tmp_path, monkeypatch):
    whole = run_baseline("toy", small.dataset(), tmp_path / "whole", trials=5, seeds=1)

    def interrupt(*what):
        if len(toy) == 3:
            raise KeyboardInterrupt

    toy.clear()
    with pytest.raises(KeyboardInterrupt):
        run_baseline(
            "toy", small.dataset(), tmp_path / "cut", trials=5, seeds=1, progress=interrupt
        )
    record = run_baseline("toy", small.dataset(), tmp_path / "cut", trials=5, seeds=1)
    assert len(toy) == 6
    assert run_baseline("toy", small.dataset(), tmp_path / "cut", trials=5, seeds=1) == record
    assert len(toy) == 6  # nothing is repeated
    assert [(t.settings, t.score) for t in record.trials] == (
        [(t.settings, t.score) for t in whole.trials]
    )


def test_another_choice_is_tested_anew(toy, tmp_path):
    settings = sample_settings(METHODS["toy"], 6)
    best = next(place for place, each in enumerate(settings) if each["quality"] == 1.0)
    run_baseline("toy", small.dataset(), tmp_path, trials=best, seeds=3)
    toy.clear()
    record = run_baseline("toy", small.dataset(), tmp_path, trials=best + 1, seeds=1)
    assert [seed for _, seed in toy] == [0, 0]
    assert list(record.test_seconds) == [0]
    assert [path.name for path in (tmp_path / "toy").glob("seed_*")] == ["seed_0"]


def test_a_method_without_randomness_has_one_seed(tmp_path):
    record = run_baseline("popularity", small.dataset(), tmp_path, trials=9, seeds=5)
    assert (len(record.trials), list(record.test_seconds)) == (1, [0])


def test_an_unknown_method(tmp_path):
    with pytest.raises(ConfigError, match=r"'bert4rec'; there are: .*item_knn"):
        run_baseline("bert4rec", small.dataset(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_workdir_of_other_data(toy, tmp_path):
    data = small.dataset()
    run_baseline("toy", data, tmp_path, trials=1, seeds=1)
    manifest = dataclasses.replace(data.manifest, fingerprint="other")
    with pytest.raises(ConfigError, match="other data than small; give another --workdir"):
        run_baseline("toy", dataclasses.replace(data, manifest=manifest), tmp_path)


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"trials": 1}'])
def test_a_damaged_record(toy, tmp_path, damage):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "settings.json").write_text(damage)
    with pytest.raises(ConfigError, match=r"settings\.json is damaged .* delete"):
        run_baseline("toy", small.dataset(), tmp_path)


def test_one_fit_at_a_time(toy, dataset, tmp_path):
    (tmp_path / "toy").mkdir()
    with (
        locked(tmp_path / "toy" / LOCK, "it", "go"),
        pytest.raises(BusyError, match=r"toy is in use by .* choose another --workdir"),
    ):
        run_baseline("toy", dataset, tmp_path, trials=2, seeds=1)
    assert toy == []


VALUES = np.array([[0.0, 1.0, 0.5, 0.0], [1.0, 1.0, 0.5, 0.25], [0.5, 1.0, 0.5, 0.0]])


@pytest.fixture
def record(tmp_path):
    for seed, values in enumerate(VALUES):
        folder = tmp_path / "ials" / f"seed_{seed}"
        folder.mkdir(parents=True)
        np.savez(folder / "per_user_test.npz", **{"ndcg@10": values})
    trials = [BaselineTrial({"alpha": 1.0}, 0.2, 1.5), BaselineTrial({"alpha": 2.0}, 0.4, 2.5)]
    return BaselineRecord("ials", "", trials, {0: 3.0, 1: 4.0, 2: 5.0})


def test_seeds_and_users_are_summarized(record, tmp_path):
    summary = BaselineSummary.read(record, tmp_path)
    assert (summary.title, summary.valid) == ("iALS", 0.4)
    assert (summary.n_seeds, summary.n_trials, summary.seconds) == (3, 2, 16.0)
    means = [0.375, 0.6875, 0.5]
    assert summary.test == pytest.approx(sum(means) / 3)
    variance = sum((mean - sum(means) / 3) ** 2 for mean in means) / 2
    assert summary.seed_std == pytest.approx(variance**0.5)
    users = [0.5, 1.0, 0.5, 1 / 12]
    spread = sum((user - sum(users) / 4) ** 2 for user in users) / 3
    assert summary.standard_error == pytest.approx((spread / 4) ** 0.5)
