import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from symcere_jax.baselines import METHODS
from symcere_jax.study.comparison import compare_runs

ROOT = Path(__file__).parents[3]


SCRIPT = str(ROOT / "launch" / "baselines.py")
# The program with two methods left, one of which needs text features.
TWO_METHODS = """
from symcere_jax.baselines import METHODS
from symcere_jax.cli.main import run

for name in METHODS.keys() - {"popularity", "encoder_knn"}:
    del METHODS[name]
run("baselines")
"""


def _run(data, workdir, *arguments, program=(SCRIPT,)):
    command = [sys.executable, *program]
    command += [f"--dataset={data.folder}", f"--workdir={workdir}", *arguments]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "JAX_PLATFORMS": "cpu",
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def done(dataset, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("baselines")
    arguments = ["--methods=popularity,ease,item_knn", "--budget=3", "--seeds=2"]
    return workdir, arguments, _run(dataset, workdir, *arguments)


def test_the_methods_are_listed():
    text = (ROOT / "symcere_jax/cli/commands/study/baselines.py").read_text()
    listed = re.search(r"\nMethods: (.*?)\.\n", text, re.S)[1]
    assert listed.replace("\n", " ").split(", ") == [*METHODS]


def test_tunes_and_tests(done, dataset):
    workdir, _, run = done
    assert run.returncode == 0, run.stderr
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
        assert f"{row['test']:.4f}" in run.stdout
        assert f"{row['test']:.4f}" in (workdir / "baselines.md").read_text()


def test_can_be_compared(done, dataset):
    workdir, _, _ = done
    found = compare_runs([workdir / "popularity", workdir / "ease"], dataset)
    assert [run.name for run in found.runs] == ["popularity", "ease"]


def test_the_same_command_repeats_nothing(done, dataset):
    workdir, arguments, first = done
    settings = workdir / "ease" / "settings.json"
    before = settings.stat().st_mtime_ns, settings.read_text()
    second = _run(dataset, workdir, *arguments)
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    assert (settings.stat().st_mtime_ns, settings.read_text()) == before


def test_all_leaves_out_what_cannot_run(dataset_without_text, tmp_path):
    run = _run(dataset_without_text, tmp_path, program=("-c", TWO_METHODS))
    assert run.returncode == 0, run.stderr
    assert "text kNN, text encoder: left out: " in run.stderr
    content = json.loads((tmp_path / "baselines.json").read_text())
    assert [row["method"] for row in content["baselines"]] == ["popularity"]
    assert "--text_encoder=lsa" in content["skipped"]["encoder_knn"]
    assert "- text kNN, text encoder: " in (tmp_path / "baselines.md").read_text()


def test_what_cannot_run_is_an_error_when_asked_for(dataset_without_text, tmp_path):
    run = _run(dataset_without_text, tmp_path, "--methods=encoder_knn")
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("error: ")
    assert "--text_encoder=lsa" in run.stderr
    assert not (tmp_path / "baselines.md").exists()


def test_an_unknown_method_is_one_line(dataset, tmp_path):
    run = _run(dataset, tmp_path, "--methods=ease,bert4rec")
    assert run.returncode == 1
    assert run.stderr.startswith("error: no baseline is called 'bert4rec'; there are: popularity,")
    assert len(run.stderr.splitlines()) == 1
