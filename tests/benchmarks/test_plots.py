import re
from xml.etree import ElementTree

from benchmarks import pictures, plots

RESULTS = """
| test ndcg@10 | a | b |
| --- | ---: | ---: |
| EASE | **0.2000** | 0.1000 |
| SymCERE, defaults | 0.1800 ± 0.0040 | **0.1100 ± 0.0010** |
| SymCERE, defaults, against that baseline | -10.0% (p = 0.2) | +10.0% (p = 1) |
| standard error over users (that baseline) | 0.0100 | 0.0200 |
"""


def test_gains_have_the_error_over_users():
    rows = plots.gains(plots.parse(RESULTS))
    assert [round(x, 6) for x in rows["a"]] == [-10, -15, -5]
    assert [round(x, 6) for x in rows["b"]] == [10, -10, 30]


def test_the_pictures_are_those_of_the_tables(tmp_path, monkeypatch):
    images = tmp_path / "docs" / "images"
    images.mkdir(parents=True)
    for name in ("README.md", "docs/ablation.md", "docs/speed.md"):
        (tmp_path / name).write_text((plots.ROOT / name).read_text())
    committed = plots.ROOT / "docs" / "images"
    monkeypatch.setattr(plots, "ROOT", tmp_path)
    plots.main([])
    for path in images.iterdir():
        assert path.read_text() == (committed / path.name).read_text(), (
            "run: python -m benchmarks.plots"
        )


def test_intervals_are_drawn_to_scale():
    rows = {"a": (1.0, 0.0, 2.0), "<b>": (-2.0, -2.0, -2.0)}
    root = ElementTree.fromstring(pictures.intervals({"t": rows}, "{:+.0f}", "caption"))
    circles = [float(each.get("cx")) for each in root.iter() if each.tag.endswith("circle")]
    lines = [each.get("d") for each in root.iter() if each.get("class") == "range"]
    start, end = (float(x) for x in re.findall(r"[MH]([\d.]+)", lines[0]))
    assert circles[0] == (start + end) / 2 and end - start == circles[0] * 2 - 2 * start
    assert abs((circles[0] - circles[1]) / (end - start) - 1.5) < 1e-3
    assert "<b>" in [each.text for each in root.iter()]
