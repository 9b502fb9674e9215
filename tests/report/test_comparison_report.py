import dataclasses
import json

import pytest

from symcere_jax.evaluation import PairedTest
from symcere_jax.report.comparison import BucketScore, Comparison, RunScores
from symcere_jax.report.comparison_report import (
    comparison_figure,
    comparison_markdown,
    write_comparison,
)

TEST = PairedTest(0.0125, -0.001, 0.0263, 0.0321, 0.0642, 0.00001234, 0.00002468)
FILES = ("comparison.md", "comparison.json", "comparison.png")


def _run(name, mean, test, seeds=(1, None)):
    buckets = [BucketScore(0, 3, 40, mean / 2, 0.01), BucketScore(4, 4, 1070, mean, 0.02)]
    beyond = {"coverage@10": 0.5, "gini@10": 0.25, "popularity@10": 12.34}
    return RunScores(name, *seeds[:1], mean, 0.004, seeds[1], beyond, test, buckets, buckets[::-1])


@pytest.fixture
def comparison():
    runs = [_run("plain", 0.05, None), _run("text", 0.0625, TEST, seeds=(3, 0.0012))]
    return Comparison("shop", "abc", "test", "ndcg@10", 10, 1110, "plain", runs)


def _tables(markdown):
    """The tables, as lists of rows of cells, without their rules."""
    tables = []
    for block in markdown.split("\n\n"):
        lines = block.strip().splitlines()
        if lines[0].startswith("|"):
            assert len({len(line) for line in lines}) == 1  # aligned
            assert set(lines[1]) <= set("|-: ")
            cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
            tables.append([cells[0], *cells[2:]])
    return tables


def test_the_tables(comparison):
    text = comparison_markdown(comparison)
    scores, differences, beyond, items, users = _tables(text)
    assert text.startswith("# ndcg@10 on shop, test\n\n1,110 users.")
    assert "## Difference to plain" in text
    assert scores == [
        ["run", "ndcg@10", "seeds", "std over seeds"],
        ["plain", "0.0500 ± 0.0040", "1", "–"],
        ["text", "0.0625 ± 0.0040", "3", "0.0012"],
    ]
    assert differences[1:] == [
        [
            *("text", "+0.0125", "+25.0%", "[-0.0010, +0.0263]"),
            *("0.0321", "0.0642", "1e-05", "2e-05"),
        ]
    ]
    assert beyond[0] == ["run", "coverage@10", "gini@10", "popularity@10"]
    assert beyond[1] == ["plain", "0.5000", "0.2500", "12.3"]
    assert items == [
        ["run", "0–3", "4"],
        ["users", "40", "1,070"],
        ["plain", "0.0250 ± 0.0100", "0.0500 ± 0.0200"],
        ["text", "0.0312 ± 0.0100", "0.0625 ± 0.0200"],
    ]
    assert [row[1:] for row in users] == [row[:0:-1] for row in items]


def test_a_reference_of_zero_has_no_relative_difference(comparison):
    runs = [dataclasses.replace(comparison.runs[0], mean=0.0), comparison.runs[1]]
    text = comparison_markdown(dataclasses.replace(comparison, runs=runs))
    assert _tables(text)[1][1][2] == "–"


def test_the_smallest_permutation_p_value_is_readable(comparison):
    test = dataclasses.replace(TEST, p_permutation=1 / 10_001)
    runs = [comparison.runs[0], dataclasses.replace(comparison.runs[1], test=test)]
    text = comparison_markdown(dataclasses.replace(comparison, runs=runs))
    assert _tables(text)[1][1][4] == "0.0001"


def test_a_name_cannot_break_a_table(comparison):
    runs = [comparison.runs[0], dataclasses.replace(comparison.runs[1], name="a|b")]
    text = comparison_markdown(dataclasses.replace(comparison, runs=runs))
    assert _tables(text)[0][2][0] == r"a\|b"


def test_the_figure_shows_every_number(comparison):
    differences, items, users = comparison_figure(comparison).axes
    (interval,) = differences.containers
    assert interval.lines[0].get_xdata() == pytest.approx([TEST.difference])
    ((start, end),) = interval.lines[2][0].get_segments()
    assert (start[0], end[0]) == pytest.approx((TEST.low, TEST.high))
    assert start[1] == end[1] == 1  # the row of the second run
    assert [label.get_text() for label in differences.get_yticklabels()] == ["plain", "text"]
    assert "difference to plain" in differences.get_title()
    for axes, labels in ((items, ["0–3", "4"]), (users, ["4", "0–3"])):
        assert [label.get_text() for label in axes.get_xticklabels()] == labels
        means = [container.lines[0].get_ydata().tolist() for container in axes.containers]
        expected = [[0.025, 0.05], [0.03125, 0.0625]]
        order = slice(None) if axes is items else slice(None, None, -1)
        assert means == [values[order] for values in expected]
    assert [text.get_text() for text in users.get_legend().get_texts()] == ["plain", "text"]


def test_the_files(comparison, tmp_path):
    folder = tmp_path / "made" / "here"
    paths = write_comparison(comparison, folder)
    assert paths == [folder / name for name in FILES]
    assert sorted(folder.iterdir()) == sorted(paths)  # nothing else is left
    assert paths[0].read_text(encoding="utf-8") == comparison_markdown(comparison)
    assert json.loads(paths[1].read_text(encoding="utf-8")) == dataclasses.asdict(comparison)
    assert paths[2].read_bytes().startswith(b"\x89PNG")
    write_comparison(comparison, folder)  # and again, over what is there


def test_names_are_no_mathematics(comparison, tmp_path):
    runs = [
        dataclasses.replace(run, name=name)
        for run, name in zip(comparison.runs, ("$a$", "_b^$"), strict=True)
    ]
    changed = dataclasses.replace(comparison, runs=runs, reference="$a$")
    write_comparison(changed, tmp_path)
    labels = comparison_figure(changed).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [r"\$a\$", r"_b^\$"]


def test_a_file_that_is_there_stays_whole_when_writing_fails(comparison, tmp_path, monkeypatch):
    paths = write_comparison(comparison, tmp_path)
    before = paths[2].read_bytes()

    def fail(figure, path, **options):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="no space left"):
        write_comparison(comparison, tmp_path)
    assert paths[2].read_bytes() == before
