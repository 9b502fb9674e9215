import json

import pytest

from symcere_jax.explain import classes_of_lists, summarize_anchoring
from symcere_jax.report.anchoring_report import (
    anchoring_figure,
    anchoring_markdown,
    write_anchoring,
)
from tests.explain.test_anchoring import REVIEWS

CLASSES = classes_of_lists(["bolt", "hose", "oven"], ["good", "bad"])


@pytest.fixture(scope="module")
def anchoring():
    return summarize_anchoring(
        {"full": REVIEWS, "text $alone$": REVIEWS[::-1]},
        CLASSES,
        dataset="shop",
        split="test",
        against="graph",
        word_classes="made up",
        known={"factual": 1.0, "sentiment": 0.75},
    )


def test_the_tables(anchoring):
    text = anchoring_markdown(anchoring)
    assert text.startswith("# Semantic anchoring on shop, test reviews\n\n4 reviews")
    assert "100% of the factual, 75% of the sentiment" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| full ")]
    full = anchoring.models[0]
    of = full.classes["factual"]
    assert f"{100 * of.share:+.2f} ± {100 * of.share_error:.2f}" in rows[0][1]
    assert f"{100 * full.gap.difference:+.2f} [" in rows[1][1]
    assert f"{full.auc:.3f} ±" in rows[1][-1]
    assert f"bolt {100 * of.top[0].mean:+.1f} (3)" in text


def test_the_plot(anchoring):
    bars, facts, feelings = anchoring_figure(anchoring).axes
    widths = [patch.get_width() for patch in bars.patches]
    expected = [
        100 * model.classes[kind].share
        for kind in ("factual", "sentiment", "other")
        for model in anchoring.models
    ]
    assert widths == pytest.approx(expected)
    assert len({patch.get_hatch() for patch in bars.patches}) == 3  # not by colour alone
    assert [label.get_text() for label in bars.get_yticklabels()] == ["full", r"text \$alone\$"]
    assert [label.get_text() for label in facts.get_yticklabels()] == ["bolt (3)"]
    assert facts.get_xlim() == feelings.get_xlim()


def test_the_files(anchoring, tmp_path):
    paths = write_anchoring(anchoring, tmp_path / "new")
    assert [path.name for path in paths] == ["anchoring.md", "anchoring.json", "anchoring.png"]
    content = json.loads(paths[1].read_text(encoding="utf-8"))
    assert content["models"][0]["gap_to_first"] is None
    assert content["models"][1]["auc"] == anchoring.models[1].auc
    assert paths[2].read_bytes().startswith(b"\x89PNG")
