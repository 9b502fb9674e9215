import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console
from tests.reporting.test_html import Reader

from symcere_jax.explain import WordContributions
from symcere_jax.report import explanation

TEXT = 'A Gasket <b>that</b> "fits" & rattles'
WORDS = WordContributions(
    text=TEXT,
    words=("a", "gasket", "b", "that", "fits", "rattles"),
    mean=np.array([0.001, 0.5, 0.0, 0.3, 0.2, -0.4]),
    std=np.full(6, 0.01),
    half_width=np.array([0.1, 0.02, 0.1, 0.4, 0.02, 0.02]),
    score=0.6,
    fit=0.9,
    n_samples=100,
    n_repeats=3,
)


def printed(*tables):
    file = io.StringIO()
    console = Console(file=file, width=120)
    for table in tables:
        console.print(table)
    return file.getvalue()


def test_a_review_is_shown_as_it_was_written():
    made = explanation.words_html(WORDS)
    reader = Reader(made)
    assert reader.text == TEXT
    assert "b" not in reader.tags  # its markup is text
    assert made.count('<mark class="up"') == 2  # gasket and fits; "that" is not sure
    assert made.count('<mark class="down"') == 1
    assert ">Gasket</mark>" in made
    assert 'title="+0.5000 ± 0.0200"' in made


def test_the_stronger_the_contribution_the_stronger_the_colour():
    made = explanation.words_html(WORDS)
    assert '--w:1.00" title="+0.5000' in made
    assert '--w:0.80" title="-0.4000' in made


def test_of_one_repeat_all_words_are_coloured():
    one = dataclasses.replace(WORDS, n_repeats=1, half_width=np.full(6, np.nan))
    assert explanation.words_html(one).count("<mark") == 4


def test_the_terminal(capsys):
    text = printed(explanation.words_table(WORDS, "[red]title"))
    assert "[red]title" in text
    rows = [line for line in text.splitlines() if "0.0200" in line]
    assert [row.split()[1] for row in rows] == ["gasket", "rattles", "fits"]
    assert "▲▲▲▲▲▲▲▲▲▲" in rows[0] and "▼▼▼▼▼▼▼▼" in rows[1]


def test_files_of_reviews(tmp_path):
    one = explanation.ReviewAlignment(12, "<i>bob</i>", "pump", "graph", WORDS)
    paths = explanation.write_alignments([one], tmp_path / "new", "shop")
    assert [path.name for path in paths] == ["explanations.json", "explanations.html"]
    content = json.loads(paths[0].read_text(encoding="utf-8"))
    (review,) = content["reviews"]
    assert (review["review"], review["item_id"], review["score"]) == (12, "pump", 0.6)
    assert [word["word"] for word in review["words"]][:3] == ["gasket", "rattles", "that"]
    assert review["words"][2]["sure"] is False
    page = paths[1].read_text(encoding="utf-8")
    assert "<i>" not in page
    assert "Review 12: <i>bob</i> on pump" in Reader(page).text


def test_an_interval_that_is_not_known_is_null():
    one = dataclasses.replace(WORDS, half_width=np.full(6, np.nan), fit=float("nan"))
    text = json.dumps(explanation.words_content(one), allow_nan=False)
    assert json.loads(text)["words"][0]["half_width"] is None


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_a_text_without_words(n_repeats):
    nothing = np.zeros(0)
    empty = WordContributions("", (), nothing, nothing, nothing, 0.0, float("nan"), 9, n_repeats)
    assert Reader(explanation.words_html(empty)).text == ""
    assert "similarity 0.000" in printed(explanation.words_table(empty, "t"))
