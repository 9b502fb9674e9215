"""The report, read as a browser reads it; the last tests open it in headless Chromium."""

import base64
import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from tests.reporting.test_explanation import WORDS
from tests.reporting.test_html import Reader

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.evaluation import PairedTest
from symcere_jax.report.ablation import AblationTable, VariantScores, write_ablation
from symcere_jax.report.explanation import ReviewAlignment, write_alignments
from symcere_jax.report.html import page
from symcere_jax.report.report import Report
from symcere_jax.report.report_extras import extra_sections
from tests.browser import browse, needs_chromium

SECTIONS = (
    "Data",
    "Settings",
    "Training",
    "Scores",
    "Comparison",
    "Popularity bias",
    "Map of the embeddings",
    "Ablation",
    "Semantic anchoring",
    "Explanations",
)


def variant(name, mean, test=None):
    return VariantScores(name, {"n_layers": 1}, mean, None, (mean,), test, 0.5, 7.0, None, mean)


TEST = PairedTest(-0.1, -0.2, -0.05, 0.001, 0.002, 0.003, 0.004)
ABLATION = AblationTable(
    "shop", 9, (0,), (variant("both_towers", 0.3), variant("<b>|", 0.2, TEST)), {"text": "no"}
)


@pytest.fixture(scope="module")
def extras(tmp_path_factory):
    """Folders as ablate.py, anchoring.py and explain.py leave them."""
    folder = tmp_path_factory.mktemp("extras")
    write_ablation(ABLATION, folder)
    (folder / "anchoring.md").write_text("# Anchoring\n\n## Top words\n\nnone")
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, "png")
    (folder / "anchoring.png").write_bytes(buffer.getvalue())
    one = ReviewAlignment(0, "ann", "<script>pump</script>", "graph", WORDS)
    write_alignments([one], folder, "shop")
    return folder


@pytest.fixture(scope="module")
def built(trained_run, score_run, dataset, extras, tmp_path_factory):
    """The page of a trained run and of a copy that is scored at random, and what it told."""
    other = tmp_path_factory.mktemp("runs") / "other<i>"
    shutil.copytree(trained_run, other)
    score_run(other)
    told = []
    return Report(dataset, [trained_run, other]).build([extras], told.append), told


@pytest.fixture(scope="module")
def reader(built):
    return Reader(built[0])


def test_all_sections_are_there(built, reader):
    text, told = built
    links = re.findall(r'<a href="#([^"]+)">([^<]+)</a>', text)
    assert tuple(title for _, title in links) == SECTIONS
    assert all(f'<section id="{anchor}">' in text for anchor, _ in links)
    assert told[: len(SECTIONS) - 3] == list(SECTIONS[:-3])


def test_sections_of_several_folders_are_told_apart(extras):
    links = [link for link, _ in extra_sections(extras, named=True)]
    assert f"Semantic anchoring: {extras.name}" in links[1]
    assert len(set(links)) == 3


def test_nothing_is_loaded_from_elsewhere(built, reader):
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in reader.links)
    assert reader.tags.count("img") > 10
    for link in reader.links:
        if link.startswith("data:"):
            Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))).verify()
    assert not re.search(r"url\(|@import|https?://", built[0])


def test_whatever_a_name_or_a_review_holds_is_text(reader):
    assert not {"script", "i", "iframe", "object"} & set(reader.tags)
    assert "other<i>" in reader.text
    assert "<script>pump</script>" in reader.text
    assert WORDS.text in reader.text


def test_images_say_what_they_show(built):
    alternatives = re.findall(r'<img alt="([^"]*)"', built[0])
    assert "validation NDCG@10" in alternatives
    assert all(alternatives)


def test_scores_have_intervals(trained_run, dataset):
    text = Reader(Report(dataset, [trained_run]).scores()).text
    values = np.load(trained_run / "per_user_test.npz")["ndcg@10"]
    found = re.search(rf"{values.mean():.4f} \[(0\.\d+), (0\.\d+)\]", text)
    error = values.std(ddof=1) / np.sqrt(len(values))
    ends = float(found[1]), float(found[2])
    np.testing.assert_allclose(ends, values.mean() + np.array([-1.96, 1.96]) * error, atol=0.01)


def test_metrics_that_a_run_lacks_are_left_out(trained_run, score_run, dataset, tmp_path):
    other = score_run(tmp_path / "other")  # scored at 3 and 10 alone
    shutil.copy(trained_run / "metrics.jsonl", other)
    text = Reader(Report(dataset, [trained_run, other]).scores()).text
    assert "ndcg@10" in text and "ndcg@20" not in text


def test_one_run_is_not_compared(trained_run, dataset):
    report = Report(dataset, [trained_run])
    assert report.comparison() == ""
    assert report.bias()


def test_a_run_that_is_not_scored_is_named(trained_run, dataset, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained_run, copy)
    (copy / "metrics_test.json").unlink()
    report = Report(dataset, [copy, trained_run])
    assert f"--workdir={copy}" in Reader(report.scores()).text
    assert report.comparison() == report.bias() == ""
    assert Reader(report.training()).tags.count("img") == 4


def test_an_ablation_among_the_runs(trained_run, dataset, tmp_path):
    write_ablation(ABLATION, tmp_path)
    with pytest.raises(DataError, match=r"run both_towers: .* has neither"):
        Report(dataset, [tmp_path])
    shutil.copytree(trained_run, tmp_path / "both_towers")
    report = Report(dataset, [tmp_path])
    assert (report.names, report.folders) == (["both_towers"], [tmp_path / "both_towers"])
    found = Reader(report.build())
    assert "Ablation" in found.text and "<b>|" in found.text and "-0.1000 (-33.3%)" in found.text
    assert "n_layers=1" in found.text
    (tmp_path / "ablation.json").write_text('{"metric": 1, "variants": [{}]}')
    with pytest.raises(DataError, match=r"ablation.json: no ablation .*run launch/ablate.py"):
        Report(dataset, [tmp_path])


def test_bad_input(trained_run, dataset, tmp_path):
    with pytest.raises(ConfigError, match="at least one run"):
        Report(dataset, [])
    with pytest.raises(ConfigError, match="given twice"):
        Report(dataset, [trained_run, trained_run])
    with pytest.raises(DataError, match=r"neither metrics\.jsonl nor"):
        Report(dataset, [tmp_path])
    with pytest.raises(DataError, match=r"holds no ablation\.json"):
        extra_sections(tmp_path)
    (tmp_path / "explanations.json").write_text('{"reviews": [{"item": 1}]}')
    with pytest.raises(DataError, match=r"explanations.json: no explanations"):
        extra_sections(tmp_path)


# A narrow frame stands for a phone: Chromium's own window has a least width. Styles are measured
# by a script of the frame's parent, as the page itself runs none.
FRAME = """<!doctype html><body style="margin:0"><iframe id="f" src="report.html"
style="border:0;width:{width}px;height:{height}px"></iframe><script>
onload = () => {{ const d = document.getElementById("f").contentDocument;
  const images = [...d.images]; const root = d.documentElement;
  document.body.dataset.found = [root.scrollWidth, images.length,
    images.filter(i => i.complete && i.naturalWidth > 0).length,
    Math.max(...images.filter(i => !i.closest(".wide")).map(i => i.getBoundingClientRect().right)),
    d.querySelectorAll("mark").length].join(" "); }};
</script>"""


def browse_in_frame(tmp_path, built, width, *arguments):
    """Opens the page in a frame of that width; returns Chromium's output."""
    (tmp_path / "report.html").write_text(built[0], encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width, height=2400))
    return browse(
        frame.as_uri(),
        tmp_path / "profile",
        *("--allow-file-access-from-files", "--virtual-time-budget=20000"),
        *(f"--window-size={max(width, 500)},2400", *arguments),
    )


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desktop"])
def test_it_looks_right_in_a_browser(built, tmp_path, width):
    made = browse_in_frame(tmp_path, built, width, "--dump-dom")
    found = re.search(r'data-found="([^"]+)"', made)[1]
    scroll_width, images, loaded, right, marks = map(float, found.split())
    assert scroll_width <= width  # only tables scroll sideways, within their frames
    assert loaded == images > 10
    assert right <= width
    assert marks > 0

    shot = tmp_path / "shot.png"
    browse_in_frame(tmp_path, built, width, f"--screenshot={shot}")
    pixels = np.asarray(Image.open(shot).convert("RGB"), np.int64)[:, :width]
    assert (pixels.min(axis=2) < 80).mean() > 0.005  # there is text
    assert (pixels.min(axis=2) > 240).mean() > 0.5  # on a light ground
    colored = np.ptp(pixels, axis=2) > 60
    assert colored[:, : width // 2].any() and colored.mean() < 0.3  # plots, and not all of it


@needs_chromium
def test_a_page_runs_no_script(tmp_path):
    evil = page("t", "<p id='p'>before</p><script>document.getElementById('p').id='ran'</script>")
    made = browse_in_frame(tmp_path, (evil,), 600, "--dump-dom")
    assert re.search(r'data-found="([^"]+)"', made)
    shown = browse((tmp_path / "report.html").as_uri(), tmp_path / "profile", "--dump-dom")
    assert 'id="p"' in shown and 'id="ran"' not in shown
