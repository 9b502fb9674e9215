import dataclasses
import json

import numpy as np
import pytest

from symcere_jax.report.documents import Details, Document, Heading, write_document
from symcere_jax.report.plots import Plot
from symcere_jax.report.tables import Table

TABLE = Table(["name", "value"], [["a", "1"]])
PLOT = Plot(lambda panels: panels[0].plot([0, 1]), 1, "caption")
DOCUMENT = Document("Title", [PLOT, "Words.", Heading("Part"), TABLE, Details("more", TABLE)])


def test_markdown_has_what_can_be_read_as_text():
    assert DOCUMENT.markdown() == f"# Title\n\nWords.\n\n## Part\n\n{TABLE.markdown()}\n"


def test_files(tmp_path):
    paths = write_document(DOCUMENT, {"value": float("nan")}, tmp_path / "new", "name")
    assert [path.name for path in paths] == ["name.md", "name.json", "name.png"]
    assert sorted(paths[0].parent.iterdir()) == sorted(paths)
    assert paths[0].read_text(encoding="utf-8") == DOCUMENT.markdown()
    assert json.loads(paths[1].read_text()) == {"value": None}
    assert paths[2].read_bytes().startswith(b"\x89PNG")
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
