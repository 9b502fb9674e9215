import json

import pytest

from tests.scored import score_at_random


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory):
    """Two scored runs, the second one better."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        score_at_random(folder / name, dataset, skill=skill)
        for name, skill in (("plain", 0.0), ("text", 0.5))
    ]


@pytest.fixture
def compare(run_binary, dataset, runs, tmp_path):
    def run(**changes):
        values = {
            "dataset": dataset.folder,
            "runs": f"{runs[0]},{runs[1]}",
            "output": tmp_path / "output",
        }
        return run_binary("compare", *(f"--{k}={v}" for k, v in (values | changes).items()))

    return run


def test_prints_what_it_writes(compare, tmp_path):
    run, output = compare(), tmp_path / "output"
    assert (run.status, run.err) == (0, "")
    paths = [output / f"comparison.{ending}" for ending in ("md", "json", "svg")]
    assert {*output.iterdir()} == {*paths}
    assert run.out.startswith(paths[0].read_text(encoding="utf-8"))
    assert run.out.splitlines()[-3:] == [*map(str, paths)]
    content = json.loads(paths[1].read_text(encoding="utf-8"))
    assert content["reference"] == "plain"
    plain, text = content["runs"]
    assert plain["test"] is None
    assert text["test"]["difference"] == pytest.approx(text["mean"] - plain["mean"])
    assert text["test"]["p_permutation"] == pytest.approx(1 / 10_001)


def test_the_flags_reach_the_comparison(compare):
    run = compare(metric="recall@3", reference="best")
    assert run.status == 0
    assert "# recall@3 on small, test" in run.out
    assert "## Difference to text" in run.out


def test_errors_are_one_line_and_nothing_is_written(compare, runs, tmp_path):
    file = tmp_path / "file"
    file.touch()
    bad = [
        ({"runs": runs[0]}, "at least two runs"),
        ({"runs": f"{runs[0]},{tmp_path}"}, "has no metrics_test.json"),
        ({"split": "valid"}, "has no metrics_valid.json"),
        ({"metric": "ndcg"}, "must be a name and a cutoff"),
        ({"metric": "ndcg@7"}, "has no ndcg@7"),
        ({"dataset": tmp_path / "nowhere"}, "no prepared folder at"),
        ({"output": file}, "is a file: choose a folder as --output"),
    ]
    for changes, message in bad:
        run = compare(**changes)
        assert (run.status, run.out) == (1, ""), changes
        assert message in run.error
        assert not (tmp_path / "output").exists()
