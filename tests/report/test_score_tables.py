import json

import pytest

from symcere_jax.baselines.runs import BaselineSummary
from symcere_jax.report.score_tables import baselines_table, metrics_table, write_baselines

BASELINE = BaselineSummary("ials", "iALS", 0.4, 0.5, 0.01, 0.002, 3, 12, 16.4)


def test_a_row_a_metric_and_a_column_a_cutoff():
    metrics = {"ndcg@10": 0.25, "ndcg@3": 1 / 3, "popularity@3": 12.345, "popularity@10": 7.0}
    table = metrics_table(metrics)
    assert table.header == ["metric", "@3", "@10"]
    assert table.rows == [["ndcg", "0.3333", "0.2500"], ["popularity", "12.3", "7.0"]]


@pytest.mark.parametrize(("seed_std", "cell"), [(0.01, "0.0100"), (None, "–")])
def test_a_row_a_baseline(seed_std, cell):
    baseline = BaselineSummary("ials", "iALS", 0.4, 0.5, seed_std, 0.002, 3, 12, 16.4)
    [row] = baselines_table([baseline]).rows
    assert row == ["iALS", "0.4000", "0.5000", cell, "0.0020", "16"]


def test_files_of_baselines(dataset, tmp_path):
    paths = write_baselines([BASELINE], {"ease": "too many items"}, dataset, tmp_path)
    assert [path.name for path in paths] == ["baselines.md", "baselines.json"]
    text = paths[0].read_text(encoding="utf-8")
    assert "| iALS " in text and "EASE: too many items" in text
    content = json.loads(paths[1].read_text())
    assert content["baselines"][0]["test"] == 0.5
    assert content["skipped"] == {"ease": "too many items"}
    assert content["fingerprint"] == dataset.fingerprint
