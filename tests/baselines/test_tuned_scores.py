import numpy as np
import pytest

from symcere_jax.baselines import BaselineRecord, BaselineTrial, summarize_baseline

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
    summary = summarize_baseline(record, tmp_path)
    assert (summary.title, summary.valid) == ("iALS", 0.4)
    assert (summary.n_seeds, summary.n_trials, summary.seconds) == (3, 2, 16.0)
    means = [0.375, 0.6875, 0.5]
    assert summary.test == pytest.approx(sum(means) / 3)
    variance = sum((mean - sum(means) / 3) ** 2 for mean in means) / 2
    assert summary.seed_std == pytest.approx(variance**0.5)
    users = [0.5, 1.0, 0.5, 1 / 12]
    spread = sum((user - sum(users) / 4) ** 2 for user in users) / 3
    assert summary.standard_error == pytest.approx((spread / 4) ** 0.5)


def test_one_seed_has_no_spread(record, tmp_path):
    record.test_seconds = {0: 3.0}
    assert summarize_baseline(record, tmp_path).seed_std is None
