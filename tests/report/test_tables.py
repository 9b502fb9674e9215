import io

import pytest
from rich.console import Console

from symcere_jax.report.tables import Table, count_range, interval, number, p_value, plus_minus


def lines(table):
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(table)
    return console.file.getvalue().splitlines()


def test_words_are_to_the_left_and_numbers_to_the_right():
    rows = [["a", "b", "1.0"], ["long name", "long word", "100.0"]]
    table = Table(["name", "word", "value"], rows, n_words=2)
    shown = lines(table.terminal("title"))
    assert shown[0].strip() == "title"
    assert "│ a         │ b         │   1.0 │" in shown
    assert table.markdown().splitlines() == [
        "| name      | word      | value |",
        "| --------- | --------- | ----: |",
        "| a         | b         |   1.0 |",
        "| long name | long word | 100.0 |",
    ]


@pytest.mark.parametrize(
    "text", ["a[/b]", "[red]", "[link=http://example.org]x[/link]", ":smile:["]
)
def test_markup_in_a_name_is_shown_as_it_is(text):
    shown = lines(Table([text, "value"], [[text, "1"]]).terminal(text))
    assert shown[0].strip() == text
    assert sum(f" {text} " in line for line in shown[1:]) == 2


def test_a_cell_cannot_break_a_markdown_table():
    table = Table(["name", "value"], [["a|b\nc", "1"]]).markdown().splitlines()
    assert table == ["| name   | value |", "| ------ | ----: |", r"| a\|b c |     1 |"]


def test_cells():
    assert [number(value) for value in (0.5, None, float("nan"))] == ["0.5000", "–", "–"]
    assert [p_value(value) for value in (0.25, 1 / 10_001, 1.2e-5)] == ["0.2500", "0.0001", "1e-05"]
    assert plus_minus(1.5, 0.25, "+.2f") == "+1.50 ± 0.25"
    assert plus_minus(1.5, None) == "1.5000"
    assert interval(1.0, -0.5, 2.0, "+.1f") == "+1.0 [-0.5, +2.0]"
    assert (count_range(3, 7), count_range(3, 3)) == ("3–7", "3")
