import dataclasses
import json

import numpy as np
import pytest

from symcere_jax.report.bias_document import bias_document
from symcere_jax.report.documents import to_json
from symcere_jax.report.tables import Table
from symcere_jax.study.bias import Decile, PopularityBias, RunBias

BEYOND = {"coverage@10": 0.5, "gini@10": 0.25, "popularity@10": 12.34}
MODEL = RunBias(
    name="model",
    n_seeds=2,
    normalize=True,
    ndcg=0.05,
    seed_std=0.001,
    norm_popularity=0.85,
    popularity_weight=0.3,
    beyond_accuracy=BEYOND,
    geometry={"alignment": 0.4, "uniformity_users": -3.0, "uniformity_items": -3.5},
    norm_by_decile=[0.9, 1.1],
    recommended_by_decile=[0.25, 0.75],
    ndcg_by_decile=[0.01, 0.1],
    ndcg_error_by_decile=[0.001, 0.01],
    norms=np.array([1.0, 2.0, 3.0]),
)
BASELINE = dataclasses.replace(
    MODEL,
    name="baseline",
    normalize=None,
    seed_std=None,
    norm_popularity=None,
    popularity_weight=None,
    geometry={},
    norm_by_decile=None,
    ndcg_by_decile=[float("nan"), 0.2],
    norms=None,
)
DECILES = [Decile(0, 3, 2, 0.3, 0.4), Decile(4, 4, 1, 0.7, 0.6)]
BIAS = PopularityBias("shop", "test", 9, 3.5, np.array([1, 3, 4]), DECILES, [MODEL, BASELINE])


def test_the_tables():
    runs, deciles = [b for b in bias_document(BIAS).blocks if isinstance(b, Table)]
    assert runs.rows[0][:6] == ["model", "on", "0.0500", "0.0010", "+0.85", "+0.30"]
    assert runs.rows[0][6:] == ["12.3", "0.250", "0.500", "0.400", "-3.00", "-3.50"]
    assert runs.rows[1][:6] == ["baseline", "–", "0.0500", "–", "–", "–"]
    assert runs.rows[1][-3:] == ["–", "–", "–"]
    assert deciles.header == ["interactions", "0–3", "4"]
    assert ["baseline: ndcg@10", "–", "0.2000"] in deciles.rows
    assert ["model: norm / mean", "0.90", "1.10"] in deciles.rows
    assert not any(row[0] == "baseline: norm / mean" for row in deciles.rows)


def test_the_plot_does_not_tell_runs_apart_by_color_alone():
    norms, shares, ndcg = bias_document(BIAS).plot.figure().axes
    for axes in (shares, ndcg):
        lines = [line for line in axes.lines if line.get_linestyle() != "None"]  # no error caps
        assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == 2
    assert shares.lines[0].get_ydata() == pytest.approx([0.25, 0.75])
    assert norms.lines[0].get_ydata() == pytest.approx([0.5, 1.0, 1.5])
    without = dataclasses.replace(BIAS, runs=[BASELINE])
    [text] = bias_document(without).plot.figure().axes[0].texts
    assert text.get_text() == "no checkpoints"


def test_json_leaves_out_what_only_plots_need():
    content = json.loads(to_json(BIAS))
    assert content["runs"][0]["ndcg"] == 0.05
    assert "norms" not in content["runs"][0] and "item_counts" not in content
    assert content["runs"][1]["ndcg_by_decile"][0] is None
