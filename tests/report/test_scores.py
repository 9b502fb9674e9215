import io
import json

import numpy as np
import pytest
from rich.console import Console

from symcere_jax.evaluation import Evaluation, evaluate
from symcere_jax.evaluation.stored_scores import write_scores
from symcere_jax.report.tables import metrics_table


@pytest.fixture(scope="module")
def evaluation(dataset) -> Evaluation:
    scores = np.random.default_rng(0).random((dataset.n_users, dataset.n_items), np.float32)
    return evaluate(lambda scores, users: scores[users], scores, dataset, "test", ks=(3, 10))


def _cells(table):
    """The table as it is shown, line by line, cell by cell."""
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    lines = console.file.getvalue().splitlines()
    return [
        [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")] for line in lines
    ]


def test_a_row_a_metric_and_a_column_a_cut_off():
    metrics = {"ndcg@10": 0.25, "ndcg@3": 1 / 3, "popularity@3": 12.345, "popularity@10": 7.0}
    table = metrics_table(metrics, "small, test")
    cells = _cells(table)
    assert cells[0] == ["small, test"]
    assert ["metric", "@3", "@10"] in cells
    assert ["ndcg", "0.3333", "0.2500"] in cells
    assert ["popularity", "12.3", "7.0"] in cells
    assert table.row_count == 2


def test_the_table_of_an_evaluation_has_every_metric(evaluation):
    cells = _cells(metrics_table(evaluation.metrics, "all"))
    for name, value in evaluation.metrics.items():
        metric, k = name.split("@")
        (row,) = [cell for cell in cells if cell[0] == metric]
        column = {"3": 1, "10": 2}[k]
        assert float(row[column]) == pytest.approx(value, abs=0.051)


def test_metrics_are_flat_beside_where_they_come_from(evaluation, dataset, tmp_path):
    paths = write_scores(evaluation, tmp_path, "test", dataset, 70)
    assert paths == [tmp_path / "metrics_test.json", tmp_path / "per_user_test.npz"]
    content = json.loads(paths[0].read_text())
    origin = {
        "dataset": "small",
        "fingerprint": dataset.fingerprint,
        "split": "test",
        "n_users": len(evaluation.users),
        "step": 70,
    }
    assert content == origin | dict(evaluation.metrics)
    assert "ndcg@10" in content


def test_per_user_values_are_arrays(evaluation, dataset, tmp_path):
    _, path = write_scores(evaluation, tmp_path, "test", dataset, 70)
    with np.load(path, allow_pickle=False) as content:
        assert set(content) == {"users", "recommended", *evaluation.per_user}
        np.testing.assert_array_equal(content["users"], evaluation.users)
        np.testing.assert_array_equal(content["recommended"], evaluation.recommended)
        assert content["users"].dtype == content["recommended"].dtype == np.int32
        assert content["recommended"].shape == (len(evaluation.users), 10)
        for name, values in evaluation.per_user.items():
            assert content[name].dtype == np.float64
            np.testing.assert_array_equal(content[name], values)
            # What the means are taken of.
            assert content[name].mean() == evaluation.metrics[name]


def test_no_other_file_is_left(evaluation, dataset, tmp_path):
    for split in ("test", "valid", "test"):
        write_scores(evaluation, tmp_path, split, dataset, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "metrics_test.json",
        "metrics_valid.json",
        "per_user_test.npz",
        "per_user_valid.npz",
    ]


@pytest.mark.parametrize("stop", ["numpy.savez_compressed", "json.dumps"])
def test_files_that_are_there_stay_whole_when_writing_fails(
    evaluation, dataset, tmp_path, monkeypatch, stop
):
    paths = write_scores(evaluation, tmp_path, "test", dataset, 1)
    before = paths[1].read_bytes()

    def fail(target, *arguments, **options):
        if stop == "numpy.savez_compressed":
            target.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(stop, fail)
    with pytest.raises(OSError, match="no space left"):
        write_scores(evaluation, tmp_path, "test", dataset, 2)
    assert paths[1].read_bytes() == before
    assert json.loads(paths[0].read_text())["split"] == "test"
