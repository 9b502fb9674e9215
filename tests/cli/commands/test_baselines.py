import json
import re

import numpy as np
import pytest

from symcere_jax.baselines.methods import METHODS
from symcere_jax.study.comparison import compare_runs


@pytest.fixture(scope="module")
def baselines(run_binary):
    def run(data, workdir, *arguments):
        return run_binary(
            "baselines", f"--dataset={data.folder}", f"--workdir={workdir}", *arguments
        )

    return run


@pytest.fixture(scope="module")
def done(baselines, dataset, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("baselines")
    arguments = ["--methods=popularity,ease,item_knn", "--trials=3", "--seeds=2"]
    return workdir, arguments, baselines(dataset, workdir, *arguments)


def test_the_methods_are_listed(run_binary):
    listed = re.search(r"all, or some of (.*?)\n *\(", run_binary("baselines", "--help").out, re.S)
    assert re.split(r",\s+", listed[1]) == [*METHODS]


def test_tunes_and_tests(done, dataset):
    workdir, _, run = done
    assert run.status == 0, run.err
    content = json.loads((workdir / "baselines.json").read_text())
    assert content["fingerprint"] == dataset.fingerprint
    found = {row["method"]: row for row in content["baselines"]}
    assert {name: row["n_trials"] for name, row in found.items()} == {
        "popularity": 1,
        "ease": 3,
        "item_knn": 3,
    }
    for name, row in found.items():
        with np.load(workdir / name / "seed_0" / "per_user_test.npz") as arrays:
            assert row["test"] == pytest.approx(arrays["ndcg@10"].mean())
        assert f"{row['test']:.4f}" in run.out
        assert f"{row['test']:.4f}" in (workdir / "baselines.md").read_text()


def test_can_be_compared(done, dataset):
    workdir, _, _ = done
    found = compare_runs([workdir / "popularity", workdir / "ease"], dataset)
    assert [run.name for run in found.runs] == ["popularity", "ease"]


def test_all_leaves_out_what_cannot_run(baselines, dataset_without_text, tmp_path, monkeypatch):
    for name in METHODS.keys() - {"popularity", "encoder_knn"}:
        monkeypatch.delitem(METHODS, name)
    run = baselines(dataset_without_text, tmp_path)
    assert run.status == 0, run.err
    assert "text kNN, text encoder: left out: " in run.err
    content = json.loads((tmp_path / "baselines.json").read_text())
    assert [row["method"] for row in content["baselines"]] == ["popularity"]
    assert "--text_encoder=lsa" in content["skipped"]["encoder_knn"]
    assert "- text kNN, text encoder: " in (tmp_path / "baselines.md").read_text()


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("encoder_knn", "--text_encoder=lsa"),
        ("ease,bert4rec", "no baseline is called 'bert4rec'; there are: popularity,"),
    ],
)
def test_what_cannot_run_is_an_error_when_asked_for(
    baselines, dataset_without_text, tmp_path, methods, message
):
    run = baselines(dataset_without_text, tmp_path, f"--methods={methods}")
    assert run.status == 1 and message in run.error
    assert not (tmp_path / "baselines.md").exists()
