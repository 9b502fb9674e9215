import pytest

from symcere_jax.explain import classes_of_lists, summarize_anchoring
from symcere_jax.explain.anchoring import Anchoring
from symcere_jax.report.anchoring_document import NAME, anchoring_document
from symcere_jax.report.documents import read_record, write_document
from symcere_jax.report.tables import Table
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
    document = anchoring_document(anchoring)
    contributions, gaps, factual, _ = [b for b in document.blocks if isinstance(b, Table)]
    full = anchoring.models[0]
    share = full.classes["factual"]
    assert contributions.rows[0][1] == f"{100 * share.share:+.2f} ± {100 * share.share_error:.2f}"
    assert gaps.rows[0][1].startswith(f"{100 * full.gap.difference:+.2f} [")
    assert gaps.rows[0][3:5] == ["–", "–"] and gaps.rows[1][3] != "–"
    assert gaps.rows[0][5].startswith(f"{full.auc:.3f} ±")
    assert factual.rows[0][1] == f"bolt {100 * share.top[0].share:+.1f} (3)"
    assert "100% of the factual, 75% of the sentiment" in document.markdown()


def test_the_plot(anchoring):
    shares, facts, sentiment = anchoring_document(anchoring).plot.figure().axes
    expected = [
        100 * model.classes[kind].share
        for kind in ("factual", "sentiment", "other")
        for model in anchoring.models
    ]
    assert [patch.get_width() for patch in shares.patches] == pytest.approx(expected)
    assert len({patch.get_hatch() for patch in shares.patches}) == 3  # not by color alone
    assert [label.get_text() for label in shares.get_yticklabels()] == ["full", r"text \$alone\$"]
    assert [label.get_text() for label in facts.get_yticklabels()] == ["bolt (3)"]
    assert facts.get_xlim() == sentiment.get_xlim()


def test_what_was_written_can_be_read(anchoring, tmp_path):
    write_document(anchoring_document(anchoring), anchoring, tmp_path, NAME)
    assert read_record(tmp_path / f"{NAME}.json", Anchoring, "") == anchoring
