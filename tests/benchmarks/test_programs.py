"""Benchmarks as their users start them, on data that is small."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def start(name: str, *arguments: object) -> str:
    """What a benchmark prints; it must end well."""
    command = [sys.executable, BENCHMARKS / f"{name}.py", *map(str, arguments)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table_in(path: Path, label: str) -> list[str]:
    """The lines of a table of a Markdown file."""
    lines = path.read_text().splitlines()
    return lines[lines.index(f"<!-- {label} -->") + 1 : lines.index(f"<!-- /{label} -->")]


@pytest.fixture
def page(tmp_path):
    """A Markdown file with a place for each table."""
    labels = ("results", "neighbors", "blends", "scale", "speed", "ablation", "devices", "course",
              "batches")  # fmt: skip
    path = tmp_path / "page.md"
    path.write_text("".join(f"<!-- {label} -->\n<!-- /{label} -->\n" for label in labels))
    return path


def test_results_and_what_reads_them(dataset, tmp_path, page):
    methods = ("popularity", "ease")
    common = [f"--datasets={dataset.folder}", f"--workdir={tmp_path}/runs", "--seeds=1"]
    common += [f"--update={page}", f"--methods={','.join(methods)}"]
    start("results", *common, "--budget=1", f"--configs={tmp_path}")
    found = table_in(page, "results")
    assert found[0] == "| test ndcg@10 | small |"
    methods_of_table = {line.split(" | ")[0].strip("| ") for line in found[2:6]}
    ours = {"SymCERE, defaults", "SymCERE, defaults, without text"}
    assert methods_of_table == {"popularity", "EASE"} | ours
    start("neighbors", *common[:-1])
    rows = [line.split(" | ") for line in table_in(page, "neighbors")[2:]]
    assert [row[0] for row in rows] == ["| small", "| small"]
    for row in rows:  # with a weight of 0, nothing changes; another one was better on validation
        weight, without, with_them = float(row[2]), float(row[3]), float(row[4])
        assert with_them > without if weight else with_them == without
    start("blends", *common)
    rows = [line.split(" | ") for line in table_in(page, "blends")[2:]]
    assert [row[1] for row in rows] == ["popularity", "EASE"]
    assert all(float(row[4]) >= float(row[3]) for row in rows)


def test_an_ablation(dataset, tmp_path, page):
    variants = tmp_path / "variants.json"
    variants.write_text('{"full": {"epochs": 1}, "no_text": {"epochs": 1, "text_encoder": "none"}}')
    start(
        "ablation",
        f"--dataset={dataset.folder}",
        f"--workdir={tmp_path}/runs",
        f"--variants={variants}",
        "--seeds=1",
        f"--update={page}",
    )
    assert any(line.startswith("| no_text") for line in table_in(page, "ablation"))


def test_growth_with_the_data(page):
    start("scale", "--interactions=3e3,6e3", "--rounds=1", "--embedding_dim=8", f"--update={page}")
    found = table_in(page, "scale")
    assert sum(line.startswith(("| 2,", "| 3,", "| 5,", "| 6,")) for line in found) == 2
    assert "to the power" in found[-1]


def test_speed_beside_others(page):
    start(
        "speed",
        "--synthetic_interactions=3000",
        "--rounds=1",
        "--embedding_dim=8",
        "--batch_size=256",
        f"--update={page}",
    )
    found = "\n".join(table_in(page, "speed"))
    assert "message passing, forward and backward" in found
    for side in ("symcere_jax", "torch COO", "torch CSR", "torch.topk"):
        assert f"| {side} |" in found


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_cores_and_devices(page):
    arguments = ["--synthetic_interactions=3000", "--rounds=1", "--embedding_dim=8"]
    start("devices", *arguments, "--batch_size=256", f"--update={page}")
    rows = [line.split(" | ") for line in table_in(page, "devices")[2:]]
    assert [len(row) for row in rows] == [5] * 4
    assert rows[0][2] == "1.00"


def test_the_course_of_the_scores(dataset, tmp_path, page):
    common = [f"--dataset={dataset.folder}", f"--workdir={tmp_path}/run", f"--update={page}"]
    start("course", *common, "--epochs=1", "--target=0.0")
    first = table_in(page, "course")
    start("course", *common, "--epochs=2", "--target=1.1")
    both = table_in(page, "course")
    assert both[:3] == first[:3]  # the first epoch was not trained again
    assert both[3].startswith("| 2 | ")
    assert "reached after 1 epochs" in first[-1]
    assert both[-1] == "recall@20 of 1.1000: not reached."


def test_batch_sizes(dataset, tmp_path, page):
    common = [f"--dataset={dataset.folder}", f"--workdir={tmp_path}/runs", f"--update={page}"]
    start(
        "batches", *common, "--batch_sizes=64,0", "--seeds=2", "--epochs=2", "--text_encoder=none"
    )
    header, _, small, default = table_in(page, "batches")
    assert header.endswith("| valid ndcg@10, seeds: 2 | against the first, over users |")
    steps = -(-len(dataset.train) // 64)
    assert small.startswith(f"| 64 | {steps} |")
    assert ", default |" in default
    scores = {}
    for size in ("64", "0"):
        for seed in (0, 1):
            run = tmp_path / "runs" / size / f"seed_{seed}"
            lines = (run / "metrics.jsonl").read_text().splitlines()
            assert len(lines) == 3  # the untrained model, too
            scores[size, seed] = max(json.loads(line)["ndcg@10"] for line in lines)
            (run / "metrics.jsonl").unlink()
    of_size = {size: np.array([scores[size, 0], scores[size, 1]]) for size in ("64", "0")}
    assert small.endswith(f"| {of_size['64'].mean():.4f} ± {of_size['64'].std(ddof=1):.4f} |  |")
    gain = of_size["0"].mean() / of_size["64"].mean() - 1
    assert f"| {gain:+.1%} (p = " in default
    start("batches", *common, "--batch_sizes=64,0", "--seeds=2")  # nothing is trained again
    assert table_in(page, "batches")[2] == small


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is not None, reason="libtpu is installed")
def test_a_compiler_that_is_missing_is_one_line(tmp_path):
    command = [sys.executable, BENCHMARKS / "accelerators.py", "--interactions=1000"]
    done = subprocess.run([*command, "--tpu=v5e:1x1"], capture_output=True, text=True)
    assert done.returncode == 1
    expected = r'error: cannot compile for v5e:1x1: run pip install "jax\[tpu\]" \(.+\)\n'
    assert re.fullmatch(expected, done.stderr)
    missing = tmp_path / "card.txtpb"
    done = subprocess.run([*command, f"--gpu={missing}"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: cannot read {missing}: No such file or directory\n"
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: nothing to compile for: give --tpu or --gpu\n"
