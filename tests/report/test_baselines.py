import json

import numpy as np
import pytest

from symcere_jax.baselines import METHODS, BaselineRecord, BaselineTrial
from symcere_jax.report.baselines import summarize_baseline, write_baselines
from tests.baselines import small

VALUES = np.array([[0.0, 1.0, 0.5, 0.0], [1.0, 1.0, 0.5, 0.25], [0.5, 1.0, 0.5, 0.0]])


@pytest.fixture
def record(tmp_path):
    for seed, values in enumerate(VALUES):
        folder = tmp_path / "ials" / f"seed_{seed}"
        folder.mkdir(parents=True)
        np.savez(folder / "per_user_test.npz", **{"ndcg@10": values})
    trials = [BaselineTrial({"alpha": 1.0}, 0.2, 1.5), BaselineTrial({"alpha": 2.0}, 0.4, 2.5)]
    return BaselineRecord("ials", "", trials, {0: 3.0, 1: 4.0, 2: 5.0})


def test_a_row_sums_up_seeds_and_users(record, tmp_path):
    row = summarize_baseline(record, tmp_path)
    assert (row.title, row.valid, row.n_seeds, row.n_trials) == ("iALS", 0.4, 3, 2)
    assert row.seconds == 16.0
    means = [0.375, 0.6875, 0.5]
    assert row.test == pytest.approx(sum(means) / 3)
    variance = sum((mean - sum(means) / 3) ** 2 for mean in means) / 2
    assert row.seed_std == pytest.approx(variance**0.5)
    users = [0.5, 1.0, 0.5, 1 / 12]
    spread = sum((user - sum(users) / 4) ** 2 for user in users) / 3
    assert row.standard_error == pytest.approx((spread / 4) ** 0.5)


def test_one_seed_has_no_spread(record, tmp_path):
    record.test_seconds = {0: 3.0}
    row = summarize_baseline(record, tmp_path)
    assert row.seed_std is None
    assert row.cells()[3] == ""


def test_tables(record, tmp_path):
    row = summarize_baseline(record, tmp_path)
    paths = write_baselines([row], {"ease": "too many items"}, small.dataset(), tmp_path)
    assert [path.name for path in paths] == ["baselines.md", "baselines.json"]
    lines = paths[0].read_text().splitlines()
    assert lines[0] == "# Baselines on small"
    assert "4 test users" in lines[2]
    header, rule, cells = (line.strip("|").split("|") for line in lines[4:7])
    assert len(header) == len(rule) == len(cells) == 6
    assert [cell.strip() for cell in cells] == row.cells()
    assert lines[-1] == "- EASE: too many items"
    content = json.loads(paths[1].read_text())
    assert content["baselines"][0]["test"] == row.test
    assert content["baselines"][0]["method"] in METHODS
    assert content["skipped"] == {"ease": "too many items"}
