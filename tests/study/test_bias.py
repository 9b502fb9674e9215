import shutil

import numpy as np
import pytest
from scipy import stats

from symcere_jax.study.bias import measure_bias
from symcere_jax.training import load_model
from tests.scored import score_at_random


@pytest.fixture(scope="module")
def bias(trained_run, dataset, tmp_path_factory):
    """A trained model, and scores without a checkpoint of two seeds."""
    baseline = tmp_path_factory.mktemp("runs") / "baseline"
    for seed in range(2):
        score_at_random(baseline / f"seed_{seed}", dataset, seed=seed, skill=0.4)
    return measure_bias([trained_run, baseline], dataset)


def test_norms_are_those_before_normalization(bias, trained_run, dataset):
    model, baseline = bias.runs
    items = np.asarray(load_model(trained_run, dataset).main.nodes().fused)[dataset.n_users :]
    norms = np.linalg.norm(items, axis=1)
    counts = np.bincount(dataset.train[:, 1], minlength=dataset.n_items)
    assert model.normalize is True
    assert np.ptp(norms) > 0.01
    assert model.norm_popularity == pytest.approx(stats.spearmanr(norms, counts).statistic)
    sizes = [decile.n_items for decile in bias.deciles]
    assert np.average(model.norm_by_decile, weights=sizes) == pytest.approx(1, abs=1e-6)
    assert set(model.geometry) == {"alignment", "uniformity_users", "uniformity_items"}
    assert baseline.normalize is None and baseline.norm_popularity is None
    assert baseline.norm_by_decile is None and baseline.geometry == {}


def test_shares_by_decile(bias, trained_run, dataset):
    counts = np.bincount(dataset.train[:, 1], minlength=dataset.n_items)
    recommended = np.load(trained_run / "per_user_test.npz")["recommended"][:, :10]
    for row, decile in enumerate(bias.deciles):
        within = np.flatnonzero((counts >= decile.low) & (counts <= decile.high))
        assert decile.n_items == len(within)
        assert decile.train_share == pytest.approx(np.isin(dataset.train[:, 1], within).mean())
        assert decile.held_out_share == pytest.approx(np.isin(dataset.test[:, 1], within).mean())
        shown = np.isin(recommended, within).sum() / (recommended >= 0).sum()
        assert bias.runs[0].recommended_by_decile[row] == pytest.approx(shown)
    assert sum(decile.n_items for decile in bias.deciles) == dataset.n_items
    users = np.unique(dataset.test[:, 0])
    means = [counts[dataset.test[dataset.test[:, 0] == user, 1]].mean() for user in users]
    assert bias.held_out_popularity == pytest.approx(np.mean(means))


def test_ndcg_by_decile_of_one_user_and_item(bias, trained_run, dataset):
    content = np.load(trained_run / "per_user_test.npz")
    counts = np.bincount(dataset.train[:, 1], minlength=dataset.n_items)
    decile = bias.deciles[-1]
    values = []
    for user, ranks in zip(content["users"], content["recommended"][:, :10], strict=True):
        wanted = [
            item
            for item in dataset.test[dataset.test[:, 0] == user, 1]
            if decile.low <= counts[item] <= decile.high
        ]
        if wanted:
            gain = sum(1 / np.log2(r + 2) for r, item in enumerate(ranks) if item in wanted)
            values.append(gain / sum(1 / np.log2(r + 2) for r in range(min(10, len(wanted)))))
    assert bias.runs[0].ndcg_by_decile[-1] == pytest.approx(np.mean(values))


def test_seeds_are_averaged(bias):
    baseline = bias.runs[1]
    assert baseline.n_seeds == 2
    assert baseline.seed_std > 0
    assert sum(baseline.recommended_by_decile) == pytest.approx(1)


def test_a_run_is_not_changed(trained_run, dataset, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained_run, copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    measure_bias([copy], dataset)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
