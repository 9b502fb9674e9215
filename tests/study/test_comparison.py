import dataclasses

import numpy as np
import pytest

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import compare_paired
from symcere_jax.evaluation.stored_scores import read_runs
from symcere_jax.study.comparison import compare_runs
from tests.scored import score_at_random


@pytest.fixture(scope="module")
def folders(dataset, tmp_path_factory):
    """A weak run, a strong one, and a middling one of three seeds."""
    root = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        score_at_random(root / f"middling/seed_{seed}", dataset, seed=10 + seed, skill=0.2)
    return [
        score_at_random(root / "weak", dataset, seed=1),
        score_at_random(root / "strong", dataset, seed=2, skill=0.6),
        root / "middling",
    ]


@pytest.fixture(scope="module")
def comparison(folders, dataset):
    return compare_runs(folders, dataset)


def test_runs_keep_their_order_and_where_they_come_from(comparison, dataset):
    assert [run.name for run in comparison.runs] == ["weak", "strong", "middling"]
    assert comparison.reference == "weak"
    assert (comparison.dataset, comparison.fingerprint) == (dataset.name, dataset.fingerprint)
    assert (comparison.split, comparison.metric, comparison.k) == ("test", "ndcg@10", 10)
    assert comparison.n_users == len(np.unique(dataset.test[:, 0]))


def test_seeds_are_averaged_before_users(comparison, folders, dataset):
    runs = read_runs(folders, dataset, "test", "ndcg@10")
    weak, strong, middling = comparison.runs
    assert (weak.n_seeds, strong.n_seeds, middling.n_seeds) == (1, 1, 3)
    assert weak.seed_std is None and strong.seed_std is None
    of_seeds = runs[2].values
    assert middling.seed_std == pytest.approx(np.std([v.mean() for v in of_seeds], ddof=1))
    averaged = of_seeds.mean(axis=0)
    assert middling.mean == pytest.approx(averaged.mean())
    error = np.sqrt(((averaged - averaged.mean()) ** 2).sum() / (len(averaged) - 1) / len(averaged))
    assert middling.standard_error == pytest.approx(error)
    for run, read in zip(comparison.runs, runs, strict=True):
        assert run.beyond_accuracy == read.beyond_accuracy


def test_every_other_run_is_tested_against_the_reference(comparison, folders, dataset):
    weak, strong, middling = comparison.runs
    assert weak.test is None
    values = [run.values.mean(axis=0) for run in read_runs(folders, dataset, "test", "ndcg@10")]
    expected = compare_paired(np.stack(values[1:]), values[0])
    assert [strong.test, middling.test] == expected
    assert strong.test.difference > middling.test.difference > 0
    assert strong.test.low > 0 and strong.test.p_permutation_holm < 0.05


def test_the_best_run_as_reference(folders, dataset):
    comparison = compare_runs(folders, dataset, reference="best")
    assert comparison.reference == "strong"
    assert [run.test is None for run in comparison.runs] == [False, True, False]
    weak, _, middling = comparison.runs
    assert weak.test.difference < middling.test.difference < 0


def test_item_buckets_hold_every_held_out_item(comparison, folders, dataset):
    popularity = np.bincount(dataset.train[:, 1], minlength=dataset.n_items)
    of_test = popularity[dataset.test[:, 1]]
    for run in comparison.runs:
        buckets = run.by_item_popularity
        assert 2 <= len(buckets) <= 5
        assert (buckets[0].low, buckets[-1].high) == (of_test.min(), of_test.max())
    # Of the run with three seeds: the share of them that recommend each held-out item.
    ranks = read_runs(folders, dataset, "test", "ndcg@10")[2].recommended
    rows = np.searchsorted(np.unique(dataset.test[:, 0]), dataset.test[:, 0])
    hits = (ranks[:, rows] == dataset.test[:, 1, None]).any(axis=2).mean(axis=0)
    assert set(np.round(3 * hits)) > {0, 3}  # some are found by some seeds only
    for bucket in comparison.runs[2].by_item_popularity:
        within = (of_test >= bucket.low) & (of_test <= bucket.high)
        users = dataset.test[within, 0]
        recalls = [hits[within][users == user].mean() for user in np.unique(users)]
        assert bucket.n_users == len(recalls)
        assert bucket.mean == pytest.approx(np.mean(recalls))
        error = np.std(recalls, ddof=1) / np.sqrt(len(recalls))
        assert bucket.standard_error == pytest.approx(error)


def test_user_buckets_average_to_the_metric(comparison, folders, dataset):
    history = np.bincount(dataset.train[:, 0], minlength=dataset.n_users)
    of_users = history[np.unique(dataset.test[:, 0])]
    values = read_runs(folders, dataset, "test", "ndcg@10")[0].values[0]
    for bucket in comparison.runs[0].by_user_history:
        within = (of_users >= bucket.low) & (of_users <= bucket.high)
        assert bucket.n_users == within.sum()
        assert bucket.mean == pytest.approx(values[within].mean())
    for run in comparison.runs:
        buckets = run.by_user_history
        assert len(buckets) >= 2
        total = sum(bucket.n_users * bucket.mean for bucket in buckets)
        assert total / comparison.n_users == pytest.approx(run.mean)


def test_another_split_and_metric(dataset, tmp_path):
    folders = [
        score_at_random(tmp_path / str(seed), dataset, seed=seed, split="valid")
        for seed in range(2)
    ]
    comparison = compare_runs(folders, dataset, "valid", "recall@3")
    assert (comparison.split, comparison.k) == ("valid", 3)
    assert comparison.n_users == len(np.unique(dataset.valid[:, 0]))


def test_one_run_is_no_comparison(folders, dataset):
    with pytest.raises(ConfigError, match="at least two runs: --runs=FOLDER,FOLDER"):
        compare_runs(folders[:1], dataset)


def test_one_user_is_no_comparison(folders, dataset):
    alone = dataclasses.replace(dataset, test=dataset.test[:1])
    with pytest.raises(DataError, match=r"test\.npy has 1 users, a comparison needs at least 2"):
        compare_runs(folders, alone)
