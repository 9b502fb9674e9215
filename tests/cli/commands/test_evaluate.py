import json
import shutil
import subprocess

import numpy as np
import pytest

from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import evaluate
from symcere_jax.evaluation.metrics import RANKING_METRICS
from symcere_jax.models import score_block
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.settings import Settings
from symcere_jax.training import load_embeddings, train
from symcere_jax.training.metric_log import read_metric_log

METRICS = (*RANKING_METRICS, "popularity", "coverage", "gini")


@pytest.fixture(scope="module")
def scored(trained, command, dataset):
    """The test scores of the trained run, by a process of its own."""
    _, workdir = trained
    line, environment = command("evaluate", f"--workdir={workdir}", f"--dataset={dataset.folder}")
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done, workdir


def test_a_table_and_two_files(scored, dataset):
    done, workdir = scored
    assert done.stderr == ""
    n_users = len(np.unique(dataset.test[:, 0]))
    title, *_ = done.stdout.splitlines()
    assert title.strip() == f"{dataset.name}, test: {n_users} users"
    for word in (*METRICS, "@5", "@10", "@20", "@50"):
        assert word in done.stdout
    paths = [workdir / "metrics_test.json", workdir / "per_user_test.npz"]
    assert done.stdout.splitlines()[-2:] == list(map(str, paths))
    assert all(path.is_file() for path in paths)


def test_metrics_test_json(scored, dataset):
    _, workdir = scored
    content = json.loads((workdir / "metrics_test.json").read_text())
    facts = ("dataset", "fingerprint", "split", "n_users", "step")
    names = {f"{metric}@{k}" for metric in METRICS for k in (5, 10, 20, 50)}
    assert set(content) == {*facts, *names}
    best = max(read_metric_log(workdir), key=lambda record: record["ndcg@10"])
    n_users = len(np.unique(dataset.test[:, 0]))
    expected = (dataset.name, dataset.fingerprint, "test", n_users, best["step"])
    assert tuple(content[fact] for fact in facts) == expected
    embeddings, _ = load_embeddings(workdir, dataset)
    metrics = evaluate(score_block, embeddings, dataset, "test").metrics
    assert {name: content[name] for name in names} == pytest.approx(metrics)


def test_the_validation_scores_are_those_of_the_training(trained, run_binary, dataset):
    _, workdir = trained
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}")
    run = run_binary("evaluate", *where, "--split=valid", "--k=10", "--k=3", "--k=10")
    assert run.status == 0, run.err
    content = json.loads((workdir / "metrics_valid.json").read_text())
    best = max(record["ndcg@10"] for record in read_metric_log(workdir))
    assert content["ndcg@10"] == pytest.approx(best)
    assert {name.split("@")[1] for name in content if "@" in name} == {"3", "5", "10", "20", "50"}


def test_hits_of_a_rating_have_files_of_their_own(trained, run_binary, dataset, tmp_path):
    workdir = shutil.copytree(trained[1], tmp_path / "run")
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}")
    run = run_binary("evaluate", *where, "--min_rating=4")
    assert run.status == 0, run.err
    content = json.loads((workdir / "metrics_test_rated_4.json").read_text())
    table = dataset.reviews(["user", "item", "split", "rating"])
    high = {
        (row["user"], row["item"])
        for row in table.to_pylist()
        if row["split"] == "test" and row["rating"] >= 4
    }
    assert 0 < len(high) < len(dataset.test)
    assert content["n_users"] == len({user for user, _ in high})
    with np.load(workdir / "per_user_test_rated_4.npz") as scores:
        for user, items, hits in zip(
            scores["users"], scores["recommended"], scores["recall@10"], strict=True
        ):
            wanted = {item for other, item in high if other == user}
            assert hits == pytest.approx(len(wanted & set(items[:10].tolist())) / len(wanted))
    run = run_binary("evaluate", *where, "--min_rating=9")
    assert run.status == 1 and "--min_rating=9.0 leaves none" in run.error
    run = run_binary("evaluate", *where, "--min_rating=4", "--follow")
    assert run.status == 1 and "leave out --min_rating" in run.error


def test_scores_are_printed_where_they_cannot_be_written(trained, run_binary, dataset, tmp_path):
    workdir = shutil.copytree(trained[1], tmp_path / "run")
    (workdir / "metrics_test.json").unlink(missing_ok=True)
    (workdir / "metrics_test.json").mkdir()
    run = run_binary("evaluate", f"--workdir={workdir}", f"--dataset={dataset.folder}")
    assert run.status == 1 and "metrics_test.json" in run.error
    assert "ndcg" in run.out


def test_without_a_checkpoint_it_names_the_command_that_makes_one(run_binary, dataset, tmp_path):
    where = (f"--workdir={tmp_path / 'run'}", f"--dataset={dataset.folder}")
    run = run_binary("evaluate", *where)
    assert run.status == 1
    assert (
        f"train first, with python launch/train.py --dataset=DATASET --workdir={tmp_path / 'run'}"
        in run.error
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--dataset=absent"], 1, "no prepared folder at absent"),
        (["--split=train"], 2, "flag --split=train: value should be one of <valid|test>"),
        (["--k=0"], 2, "flag --k="),
        (["--ks=10"], 2, "unknown flag --ks; did you mean --k?"),
    ],
)
def test_a_bad_command_line_is_one_line(trained, run_binary, dataset, arguments, status, message):
    _, workdir = trained
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}")
    run = run_binary("evaluate", *where, *arguments)
    assert run.status == status
    assert message in run.error


def test_following_a_run_that_has_ended(trained, run_binary, dataset, tmp_path):
    workdir = shutil.copytree(trained[1], tmp_path / "run")
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}", "--k=10")
    run = run_binary("evaluate", *where, "--follow")
    assert (run.status, run.err) == (0, "")
    scores, end = run.out.splitlines()
    best = max(read_metric_log(workdir), key=lambda record: record["ndcg@10"])
    assert scores.startswith(f"epoch {best['epoch']:3}  valid  ndcg@10 {best['ndcg@10']:.4f}  rec")
    assert end == "the run has ended"
    [line] = (workdir / "follow_valid.jsonl").read_text().splitlines()
    assert json.loads(line)["ndcg@10"] == best["ndcg@10"]


def test_a_cold_split_and_a_model_without_text(run_binary, tmp_path):
    preparation = PrepareSettings(
        source="synthetic",
        output=tmp_path / "data",
        split="cold_item",
        text_encoder="none",
        synthetic_users=60,
        synthetic_items=30,
    )
    prepare(preparation)
    settings = Settings(epochs=1, n_layers=1, propagation="segment", experts="graph")
    train(settings, ReviewDataset.load(preparation.output), tmp_path / "run")
    where = (f"--workdir={tmp_path / 'run'}", f"--dataset={tmp_path / 'data'}")
    paths = [str(tmp_path / "run" / name) for name in ("metrics_test.json", "per_user_test.npz")]
    run = run_binary("evaluate", *where)
    assert run.status == 0 and run.out.splitlines()[-2:] == paths
    assert run.err.startswith("note: cold start is not scored: the model was trained without text")
    run = run_binary("evaluate", *where, "--cold_start")
    assert run.status == 1 and run.error.startswith("the model was trained without text")
    assert run.out == ""  # that is said before anything is scored
    assert run_binary("evaluate", *where, "--nocold_start").err == ""
