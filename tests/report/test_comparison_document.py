import dataclasses

import pytest

from symcere_jax.evaluation import PairedTest
from symcere_jax.report.comparison_document import comparison_document
from symcere_jax.report.tables import Table
from symcere_jax.study.comparison import BucketScore, Comparison, RunScores

TEST = PairedTest(0.0125, -0.001, 0.0263, 0.0321, 0.0642, 0.00001234, 0.00002468)


def run_scores(name, mean, test, n_seeds=1, seed_std=None):
    buckets = [BucketScore(0, 3, 40, mean / 2, 0.01), BucketScore(4, 4, 1070, mean, 0.02)]
    beyond = {"coverage@10": 0.5, "gini@10": 0.25, "popularity@10": 12.34}
    return RunScores(name, n_seeds, mean, 0.004, seed_std, beyond, test, buckets, buckets[::-1])


RUNS = [run_scores("plain", 0.05, None), run_scores("$text$", 0.0625, TEST, 3, 0.0012)]
COMPARISON = Comparison("shop", "abc", "test", "ndcg@10", 10, 1110, "plain", RUNS)


def tables(comparison):
    return [b for b in comparison_document(comparison).blocks if isinstance(b, Table)]


def test_the_tables():
    scores, differences, beyond, items, users = tables(COMPARISON)
    assert scores.rows == [
        ["plain", "0.0500 ± 0.0040", "1", "–"],
        ["$text$", "0.0625 ± 0.0040", "3", "0.0012"],
    ]
    [[name, *cells]] = differences.rows
    assert (name, cells[:3]) == ("$text$", ["+0.0125", "+25.0%", "[-0.0010, +0.0263]"])
    assert cells[3:] == ["0.0321", "0.0642", "1e-05", "2e-05"]
    assert beyond.rows[0] == ["plain", "0.5000", "0.2500", "12.3"]
    assert items.header == ["run", "0–3", "4"]
    assert items.rows == [
        ["users", "40", "1,070"],
        ["plain", "0.0250 ± 0.0100", "0.0500 ± 0.0200"],
        ["$text$", "0.0312 ± 0.0100", "0.0625 ± 0.0200"],
    ]
    assert [row[1:] for row in users.rows] == [row[:0:-1] for row in items.rows]


def test_a_reference_of_zero_has_no_relative_difference():
    runs = [dataclasses.replace(RUNS[0], mean=0.0), RUNS[1]]
    assert tables(dataclasses.replace(COMPARISON, runs=runs))[1].rows[0][2] == "–"


def test_the_plot_shows_every_number():
    differences, items, users = comparison_document(COMPARISON).plot.figure().axes
    (container,) = differences.containers
    assert container.lines[0].get_xdata() == pytest.approx([TEST.difference])
    ((start, end),) = container.lines[2][0].get_segments()
    assert (start[0], end[0]) == pytest.approx((TEST.low, TEST.high))
    assert start[1] == end[1] == 1  # the row of the second run
    names = ["plain", r"\$text\$"]  # no mathematics
    assert [label.get_text() for label in differences.get_yticklabels()] == names
    for axes, labels in ((items, ["0–3", "4"]), (users, ["4", "0–3"])):
        assert [label.get_text() for label in axes.get_xticklabels()] == labels
        means = [container.lines[0].get_ydata().tolist() for container in axes.containers]
        order = slice(None) if axes is items else slice(None, None, -1)
        assert means == [values[order] for values in ([0.025, 0.05], [0.03125, 0.0625])]
    assert [text.get_text() for text in users.get_legend().get_texts()] == names
