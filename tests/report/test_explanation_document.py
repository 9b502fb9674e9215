import dataclasses
import io
import math

import pytest
from rich.console import Console

from symcere_jax.explain import RecommendationExplanation, ReviewExplanation, TextExplanation
from symcere_jax.explain.lime_words import WordContribution
from symcere_jax.explain.recommendation import HistoryItem
from symcere_jax.report.documents import read_record
from symcere_jax.report.explanation_document import (
    Explanations,
    colored_text,
    explanation_document,
    terminal_tables,
    write_explanations,
)
from tests.report.reader import Reader

TEXT = 'A Gasket <b>that</b> "fits" & rattles'
WORDS = TextExplanation(
    text=TEXT,
    score=0.6,
    fit=0.9,
    n_samples=100,
    n_repeats=3,
    words=(
        WordContribution("gasket", 0.5, 0.01, 0.02),
        WordContribution("rattles", -0.4, 0.01, 0.02),
        WordContribution("that", 0.3, 0.01, 0.4),
        WordContribution("fits", 0.2, 0.01, 0.02),
        WordContribution("a", 0.02, 0.01, 0.01),
        WordContribution("b", 0.0, 0.01, 0.1),
    ),
)
REVIEW = ReviewExplanation(12, "<i>bob</i>", "pump", WORDS)
RECOMMENDATION = RecommendationExplanation(
    user_id="<i>bob</i>",
    item_id="pump",
    score=2.5,
    rank=3,
    history=[
        HistoryItem("hose", 0.25, 1.5, 0.125),
        *(HistoryItem("other", 0.0, 0.05, 0.0) for _ in range(10)),
    ],
    own=0.125,
    popularity=0.25,
    by_user=[REVIEW],
    about_item=[],
)
EXPLANATIONS = Explanations("shop", "graph", [REVIEW], [RECOMMENDATION])


def test_a_review_is_shown_as_it_was_written():
    spans = colored_text(WORDS).spans
    assert "".join(span.text for span in spans) == TEXT
    colored = {span.text: (span.value, span.title) for span in spans if span.value}
    assert colored == {  # "that" is not significant, "A" too faint
        "Gasket": (1.0, "+0.5000 ± 0.0200"),
        "fits": (pytest.approx(0.4), "+0.2000 ± 0.0200"),
        "rattles": (pytest.approx(-0.8), "-0.4000 ± 0.0200"),
    }


def test_after_one_repeat_all_words_are_colored():
    words = tuple(dataclasses.replace(word, half_width=math.nan) for word in WORDS.words)
    once = dataclasses.replace(WORDS, n_repeats=1, words=words)
    assert sum(span.value != 0 for span in colored_text(once).spans) == 4


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_a_text_without_words(n_repeats):
    empty = TextExplanation("", 0.0, math.nan, 9, n_repeats, ())
    assert not any(span.value for span in colored_text(empty).spans)
    explanations = dataclasses.replace(
        EXPLANATIONS, reviews=[dataclasses.replace(REVIEW, words=empty)]
    )
    assert len(terminal_tables(explanations)) == 3


def test_files(tmp_path):
    paths = write_explanations(EXPLANATIONS, tmp_path / "new")
    assert [path.name for path in paths] == ["explanations.json", "explanations.html"]
    assert read_record(paths[0], Explanations, "") == EXPLANATIONS
    page = paths[1].read_text(encoding="utf-8")
    text = Reader(page).text
    assert "<i>" not in page and "b" not in Reader(page).tags
    assert "review 12: <i>bob</i> on pump" in text and TEXT in text
    assert "1 further items+0.050" in text
    assert "popularity+0.250" in text
    assert "The training data has none of" in text


def test_a_limit():
    assert len(explanation_document(EXPLANATIONS, 1).blocks) < len(
        explanation_document(EXPLANATIONS).blocks
    )


def test_the_terminal():
    console = Console(file=io.StringIO(), width=120)
    for table in terminal_tables(EXPLANATIONS):
        console.print(table)
    text = console.file.getvalue()
    assert "pump for <i>bob</i>: score 2.500, rank 3" in text
    assert "review 12: <i>bob</i> on pump" in text
    rows = [line.split() for line in text.splitlines() if "│ gasket" in line]
    assert rows[0][1:4] == ["gasket", "│", "▲" * 10]
    assert "▼" * 8 in text
