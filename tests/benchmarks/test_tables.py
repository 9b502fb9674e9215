from pathlib import Path

import pytest


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import tables

    return tables


def test_a_table_takes_the_place_of_the_earlier_one(tables, tmp_path):
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter\n")
    text = tables.markdown(("name", "n"), [["x", "1"], ["y", "2"]])
    for _ in range(2):
        tables.replace(path, "a", text)
    table = "| name | n |\n| --- | ---: |\n| x | 1 |\n| y | 2 |"
    assert path.read_text() == f"before\n<!-- a -->\n{table}\n<!-- /a -->\nafter\n"


def test_missing_marks_are_named(tables, tmp_path):
    path = tmp_path / "page.md"
    path.write_text("nothing")
    with pytest.raises(SystemExit, match="needs the lines <!-- a --> and <!-- /a --> once"):
        tables.replace(path, "a", "text")
