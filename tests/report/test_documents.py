import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.report.documents import (
    ColoredText,
    Document,
    Heading,
    Span,
    read_record,
    render_page,
    to_json,
    write_document,
)
from symcere_jax.report.plots import Plot
from symcere_jax.report.tables import Table
from tests.report.reader import Reader

TABLE = Table(["name", "value"], [["a", "1"]])
PLOT = Plot(lambda panels: panels[0].plot([0, 1]), 1, "caption")
FOLDED = Table(["name"], [["b"]], summary="more")
DOCUMENT = Document("Title", [PLOT, "Words.", Heading("Part"), TABLE, FOLDED])


def test_markdown_has_what_can_be_read_as_text():
    assert DOCUMENT.markdown() == f"# Title\n\nWords.\n\n## Part\n\n{TABLE.markdown()}\n"


def test_files(tmp_path):
    paths = write_document(DOCUMENT, {"value": float("nan")}, tmp_path / "new", "name")
    assert [path.name for path in paths] == ["name.md", "name.json", "name.svg"]
    assert sorted(paths[0].parent.iterdir()) == sorted(paths)
    assert paths[0].read_text(encoding="utf-8") == DOCUMENT.markdown()
    assert json.loads(paths[1].read_text()) == {"value": None}
    assert "prefers-color-scheme: dark" in paths[2].read_text()
    assert write_document(DOCUMENT, {}, tmp_path, "again")[2].read_text() == paths[2].read_text()
    without = dataclasses.replace(DOCUMENT, blocks=["Words."])
    assert len(write_document(without, {}, tmp_path, "name")) == 2


@pytest.mark.parametrize("content", [{"value": object()}, {}])
def test_files_that_are_there_stay_whole_when_writing_fails(tmp_path, monkeypatch, content):
    paths = write_document(DOCUMENT, {}, tmp_path, "name")
    before = [path.read_bytes() for path in paths]

    def fail(*arguments, **options):
        raise OSError("no space left on device")

    if not content:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises((TypeError, OSError)):
        write_document(dataclasses.replace(DOCUMENT, title="New"), content, tmp_path, "name")
    assert [path.read_bytes() for path in paths] == before


def test_a_plot_side_by_side_and_apart():
    plot = Plot(lambda panels: [axes.set_title(str(n)) for n, axes in enumerate(panels)], 3, "c")
    assert len(plot.figure().axes) == 3
    assert [len(figure.axes) for figure in plot.figures()] == [1, 1, 1]
    assert np.array(plot.figure().get_size_inches()) == pytest.approx(
        plot.figures()[0].get_size_inches() * [3, 1]
    )
    assert [title for title, _ in plot.images()] == ["0", "1", "2"]


EVIL = "<script>alert('x')</script> & \"quoted\" 'it' </style>{{ 1 }}"


def draw(panels):
    for axes in panels:
        axes.set_title(EVIL)


ALL = Document(
    EVIL,
    [
        EVIL,
        Heading(EVIL),
        Table([EVIL, "number"], [[EVIL, "1"]]),
        Plot(draw, 2, EVIL),
        Table(["name"], [[EVIL]], summary=EVIL),
        ColoredText([Span(EVIL), Span(EVIL, 0.5, EVIL), Span(EVIL, -1.0)]),
    ],
)


def test_all_that_a_page_shows_is_text():
    page = render_page(EVIL, [ALL, ALL])
    reader = Reader(page)
    assert page.startswith("<!doctype html>")
    assert "script" not in reader.tags
    # Title and heading; for each section its link, its title, and 10 more within its blocks.
    assert reader.text.count(EVIL) == 2 + 2 * (2 + 10)
    assert reader.tags.count("img") == 4
    assert all(link.startswith(("data:image/svg+xml;base64,", "#")) for link in reader.links)


def test_it_needs_no_network():
    page = render_page("title", [ALL])
    assert "default-src 'none'" in page and 'name="viewport"' in page
    assert "url(" not in page and "@import" not in page and "http:" not in page


def test_sections_have_links():
    page = render_page("title", [ALL, Document("Other", ["text"])])
    assert '<a href="#section-2">Other</a>' in page
    assert '<section id="section-2">' in page
    assert "nav" not in Reader(render_page("title", [ALL])).tags  # of a single one


def test_words_are_colored_by_their_contributions():
    spans = [Span("A "), Span("gasket", 1.0, "+0.5"), Span("  fits\n"), Span("badly", -0.25)]
    page = render_page("title", [Document("text", [ColoredText(spans)])])
    assert '<mark class="up" style="--weight:1.00" title="+0.5">gasket</mark>' in page
    assert '<mark class="down" style="--weight:0.25" title="">badly</mark>' in page
    assert "A gasket  fits\nbadly" in Reader(page).text


def test_columns_of_words_are_marked():
    page = render_page("t", [Document("d", [Table(["a", "b"], [["c", "d"]])])])
    assert '<td class="word">c</td><td>d</td>' in page


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    value: float | None = None


@dataclasses.dataclass(frozen=True)
class Whole:
    parts: list[Part]
    pair: tuple[float, ...]
    by_name: dict[str, Part]
    anything: Mapping[str, Any]
    count: int
    part: Part | None


WHOLE = Whole(
    parts=[Part("a", 0.5), Part("é", None)],
    pair=(1.0, 2.0),
    by_name={"b": Part("b", 2.0)},
    anything={"text": "none", "list": [1, 2]},
    count=3,
    part=None,
)


def test_a_record_comes_back(tmp_path):
    (tmp_path / "whole.json").write_text(to_json(WHOLE), encoding="utf-8")
    assert read_record(tmp_path / "whole.json", Whole, "again") == WHOLE


def test_numbers_that_json_lacks_and_arrays():
    content = {"nan": float("nan"), "list": [float("inf")], "array": np.zeros(3)}
    assert json.loads(to_json(content)) == {"nan": None, "list": [None]}


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"\xff",
        b"[]",
        b"{}",
        '{"name": 1}',
        '{"name": [1]}',
        '{"name": "a", "value": []}',
    ],
)
def test_malformed_records_are_refused(tmp_path, content):
    path = tmp_path / "part.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=r"part\.json: no Part .*; write it again"):
        read_record(path, Part, "write it again")
