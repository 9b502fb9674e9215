import json

import numpy as np
import pytest

from symcere_jax.evaluation import evaluate
from symcere_jax.evaluation.stored_scores import write_scores

FILES = ["comparison.json", "comparison.md", "comparison.svg"]


def _lookup(scores, users):
    return scores[users]


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory):
    """Two scored runs, the second one better."""
    folders = []
    for name, skill in (("plain", 0.0), ("text", 0.5)):
        scores = np.random.default_rng(0).random((dataset.n_users, dataset.n_items), np.float32)
        scores[tuple(dataset.test.T)] += skill
        folder = tmp_path_factory.mktemp("runs") / name
        folder.mkdir()
        write_scores(evaluate(_lookup, scores, dataset, "test"), folder, "test", dataset, 1)
        folders.append(folder)
    return folders


@pytest.fixture
def compare(run_binary):
    """Runs the binary in this process: exit status, stdout and stderr."""

    def run(*arguments):
        ended = run_binary("compare", *arguments)
        return ended.status, ended.out, ended.err

    return run


def test_prints_what_it_writes(compare, dataset, runs, tmp_path):
    status, out, err = compare(
        f"--dataset={dataset.folder}", f"--runs={runs[0]},{runs[1]}", f"--output={tmp_path}"
    )
    assert (status, err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert out.startswith((tmp_path / "comparison.md").read_text(encoding="utf-8"))
    assert out.splitlines()[-3:] == [
        str(tmp_path / f"comparison.{ending}") for ending in ("md", "json", "svg")
    ]
    content = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert content["reference"] == "plain"
    plain, text = content["runs"]
    assert plain["test"] is None
    assert text["test"]["difference"] == pytest.approx(text["mean"] - plain["mean"])
    assert text["test"]["p_permutation"] == pytest.approx(1 / 10_001)


def test_the_flags_reach_the_comparison(compare, dataset, runs, tmp_path):
    status, out, _ = compare(
        f"--dataset={dataset.folder}",
        f"--runs={runs[0]},{runs[1]}",
        "--metric=recall@5",
        "--reference=best",
        f"--output={tmp_path}",
    )
    assert status == 0
    assert "# recall@5 on small, test" in out
    assert "## Difference to text" in out


def test_errors_are_one_line_and_nothing_is_written(compare, dataset, runs, tmp_path):
    output = tmp_path / "output"
    file = tmp_path / "file"
    file.touch()
    good = {
        "dataset": dataset.folder,
        "runs": f"{runs[0]},{runs[1]}",
        "output": output,
    }
    bad = [
        ({"runs": runs[0]}, "at least two runs"),
        ({"runs": f"{runs[0]},{tmp_path}"}, "has no metrics_test.json"),
        ({"split": "valid"}, "has no metrics_valid.json"),
        ({"metric": "ndcg"}, "must be a name and a cut-off"),
        ({"metric": "ndcg@7"}, "has no ndcg@7"),
        ({"dataset": tmp_path / "nowhere"}, "no prepared folder at"),
        ({"output": file}, "is a file: choose a folder as --output"),
    ]
    for changes, message in bad:
        status, out, err = compare(*(f"--{k}={v}" for k, v in (good | changes).items()))
        assert (status, out) == (1, ""), changes
        assert err.startswith("error: ") and message in err
        assert len(err.splitlines()) == 1
        assert not output.exists()
