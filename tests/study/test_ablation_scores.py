import json

import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.study.ablation import RECORD, read_scores
from tests.scored import score_at_random

SKILLS = {"full": 0.5, "worse": 0.1, "alike": 0.5}
SEEDS = (3, 4)
CHANGES = {"full": {}, "worse": {"n_layers": 0}, "alike": {"normalize": False}}


@pytest.fixture(scope="module")
def workdir(dataset, tmp_path_factory):
    """Scored runs; those of "alike" are the runs of "full" with the seeds exchanged."""
    workdir = tmp_path_factory.mktemp("ablation")
    for name, skill in SKILLS.items():
        for seed in SEEDS:
            origin = sum(SEEDS) - seed if name == "alike" else seed
            folder = score_at_random(
                workdir / name / f"seed_{seed}", dataset, seed=origin, skill=skill
            )
            correlation = None if name == "worse" and seed == 4 else seed / 10
            record = {"norm_popularity": correlation, "valid_ndcg@10": skill + seed / 100}
            (folder / RECORD).write_text(json.dumps(record))
    return workdir


@pytest.fixture(scope="module")
def scores(workdir, dataset):
    return read_scores(workdir, dataset, CHANGES, SEEDS, {"no_text": "full"})


def per_user(workdir, name):
    rows = [np.load(workdir / name / f"seed_{seed}" / "per_user_test.npz") for seed in SEEDS]
    return np.stack([row["ndcg@10"] for row in rows])


def test_means_and_deviations_over_seeds(scores, workdir, dataset):
    assert [variant.name for variant in scores.variants] == list(SKILLS)
    assert [variant.changes for variant in scores.variants] == list(CHANGES.values())
    assert scores.n_users == len(np.unique(dataset.test[:, 0]))
    for variant in scores.variants:
        means = per_user(workdir, variant.name).mean(axis=1)
        assert variant.seed_means == pytest.approx(means)
        assert variant.mean == pytest.approx(means.mean())
        assert variant.seed_std == pytest.approx(abs(means[0] - means[1]) / np.sqrt(2))


def test_other_seeds_of_the_folders_are_left_alone(workdir, dataset):
    one, _, _ = read_scores(workdir, dataset, CHANGES, SEEDS[:1], {}).variants
    assert one.mean == pytest.approx(per_user(workdir, "full")[0].mean())
    assert one.seed_std is None


def test_variants_are_tested_against_the_first_one(scores, workdir):
    full, worse, alike = scores.variants
    assert full.test is None
    difference = (per_user(workdir, "worse") - per_user(workdir, "full")).mean()
    assert worse.test.difference == pytest.approx(difference)
    assert worse.test.low < difference < worse.test.high < 0
    assert worse.test.p_permutation_holm == pytest.approx(2 * worse.test.p_permutation)
    assert worse.test.p_permutation_holm < 0.001
    assert (alike.test.difference, alike.test.p_permutation_holm) == (0, 1)


def test_correlations_are_averaged_over_seeds_unless_one_is_undefined(scores):
    correlations = [variant.norm_popularity for variant in scores.variants]
    assert correlations == [pytest.approx(0.35), None, pytest.approx(0.35)]


def test_a_missing_run_is_named(workdir, dataset):
    with pytest.raises(DataError, match=r"no run at .*other/seed_3"):
        read_scores(workdir, dataset, {**CHANGES, "other": {}}, SEEDS, {})
