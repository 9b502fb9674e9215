import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from symcere_jax.errors import DataError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def read_interactions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import graphs

    return graphs.read_interactions


def run(*flags: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(ROOT / "benchmarks" / "propagation.py"), *flags]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_benchmark_reads_its_data_and_reports_equal_results(tmp_path: Path):
    lines = [f"{user} {user % 7} {user % 5 + 7} {user % 3 + 12}\n" for user in range(40)]
    with gzip.open(tmp_path / "train.txt.gz", "wt") as file:
        file.writelines(lines)
    output = tmp_path / "numbers.json"
    done = run(f"--data={tmp_path}", "--width=4", "--rounds=1", f"--json={output}")
    assert done.returncode == 0, done.stderr
    assert "55 nodes, 240 directed edges" in " ".join(done.stdout.split())
    methods = json.loads(output.read_text())["methods"]
    assert {"segment_sum", "bucketed", "SciPy CSR"} <= set(methods)
    for row in methods.values():
        assert row["output_deviation"] < 1e-5
        assert row["gradient_deviation"] < 1e-5
        assert row["forward_backward_ms"] > 0


def test_benchmark_generates_a_graph_of_its_own():
    done = run("--synthetic_interactions=2000", "--width=4", "--n_layers=1", "--rounds=1")
    assert done.returncode == 0, done.stderr
    assert "bucketed" in done.stdout


def test_missing_data_end_in_one_line(tmp_path: Path):
    done = run(f"--data={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "train.txt.gz: not readable" in done.stderr
    assert done.stderr.count("\n") == 1


def test_lines_are_users_and_their_items(read_interactions, tmp_path: Path):
    path = tmp_path / "train.txt"
    path.write_text("3 5 0\n1\n0 2\n")
    assert read_interactions(path).tolist() == [[3, 5], [3, 0], [0, 2]]


@pytest.mark.parametrize("line", ["0 one", "0,1", ""])
def test_a_bad_line_is_named(read_interactions, tmp_path: Path, line):
    path = tmp_path / "train.txt"
    path.write_text(f"0 1\n{line}\n")
    with pytest.raises(DataError, match=r"train\.txt, line 2"):
        read_interactions(path)


def test_an_empty_file_is_named(read_interactions, tmp_path: Path):
    path = tmp_path / "train.txt"
    path.touch()
    with pytest.raises(DataError, match="is empty"):
        read_interactions(path)
