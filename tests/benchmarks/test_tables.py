from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import tables


def test_a_table_takes_the_place_of_the_earlier_one(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter\n")
    text = tables.markdown([{"name": "x", "n": "1"}, {"name": "y", "n": "2"}])
    for _ in range(2):
        tables.replace(path, "a", text)
    table = "| name |   n |\n| ---- | --: |\n| x    |   1 |\n| y    |   2 |"
    assert path.read_text() == f"before\n<!-- a -->\n{table}\n<!-- /a -->\nafter\n"


def test_files_without_the_marks_stay(tmp_path, monkeypatch):
    paths = [tmp_path / "page.md", tmp_path / "other.md"]
    for path in paths:
        path.write_text("nothing")
    monkeypatch.setattr(tables, "UPDATE", SimpleNamespace(value=paths))
    with pytest.raises(SystemExit, match="needs the lines <!-- a --> and <!-- /a -->"):
        tables.publish("text", "a")
    paths[1].write_text("<!-- a -->\n<!-- /a -->")
    tables.publish("text", "a")
    assert [path.read_text() for path in paths] == ["nothing", "<!-- a -->\ntext\n<!-- /a -->"]


def test_the_spread_is_that_of_a_sample():
    assert tables.mean_and_spread([0.1, 0.3]) == f"0.2000 ± {np.std([0.1, 0.3], ddof=1):.4f}"
    assert tables.mean_and_spread([5.0], digits=1) == "5.0"
