import io

import pytest
from rich.console import Console

from symcere_jax.report.tables import markdown_table, terminal_table


def _lines(table):
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(table)
    return console.file.getvalue().splitlines()


def test_words_are_to_the_left_and_numbers_to_the_right():
    rows = [["a", "b", "1.0"], ["long name", "long word", "100.0"]]
    lines = _lines(terminal_table(["name", "word", "value"], rows, "title", n_words=2))
    assert lines[0].strip() == "title"
    assert "│ a         │ b         │   1.0 │" in lines
    assert "│ long name │ long word │ 100.0 │" in lines


@pytest.mark.parametrize(
    "text", ["a[/b]", "[red]", "[link=http://example.org]x[/link]", ":smile:["]
)
def test_markup_in_a_name_is_shown_as_it_is(text):
    lines = _lines(terminal_table([text, "value"], [[text, "1"]], text))
    assert lines[0].strip() == text
    assert sum(f" {text} " in line for line in lines[1:]) == 2


def test_a_cell_cannot_break_a_markdown_table():
    lines = markdown_table(["name", "value"], [["a|b\nc", "1"]]).splitlines()
    assert lines == ["| name   | value |", "| ------ | ----: |", r"| a\|b c |     1 |"]
