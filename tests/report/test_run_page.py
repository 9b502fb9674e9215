"""The page about runs, read as a browser reads it; the last tests open it in headless Chromium."""

import base64
import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.explain import summarize_anchoring
from symcere_jax.report import ablation_document as ablation
from symcere_jax.report import anchoring_document as anchoring
from symcere_jax.report.documents import Document, write_document
from symcere_jax.report.explanation_document import write_explanations
from symcere_jax.report.run_page import build_run_page, extra_sections, find_runs, scores_section
from tests.browser import browse, needs_chromium
from tests.explain.test_anchoring import CLASSES, LABELS, REVIEWS
from tests.report.reader import Reader
from tests.report.test_ablation_document import SCORES
from tests.report.test_explanation_document import EXPLANATIONS, WORDS
from tests.scored import score_at_random

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


def write_ablation(folder):
    write_document(ablation.ablation_document(SCORES), SCORES, folder, ablation.NAME)


@pytest.fixture(scope="module")
def extras(tmp_path_factory):
    """A folder with what ablate.py, anchoring.py and explain.py write."""
    folder = tmp_path_factory.mktemp("extras")
    write_ablation(folder)
    result = summarize_anchoring({"full": REVIEWS}, CLASSES, **LABELS)
    write_document(anchoring.anchoring_document(result), result, folder, anchoring.NAME)
    write_explanations(EXPLANATIONS, folder)
    return folder


@pytest.fixture(scope="module")
def built(trained_run, dataset, extras, tmp_path_factory):
    """The page of a trained run and of a copy that is scored at random, and its progress."""
    other = tmp_path_factory.mktemp("runs") / "other<i>"
    shutil.copytree(trained_run, other)
    score_at_random(other, dataset)
    titles = []
    page = build_run_page(dataset, [trained_run, other], "test", [extras], titles.append)
    return page, titles


@pytest.fixture(scope="module")
def reader(built):
    return Reader(built[0])


def test_all_sections_are_there(built):
    page, titles = built
    links = re.findall(r'<a href="#([^"]+)">([^<]+)</a>', page)
    assert tuple(title for _, title in links) == SECTIONS
    assert all(f'<section id="{anchor}">' in page for anchor, _ in links)
    assert titles[: len(SECTIONS) - 3] == list(SECTIONS[:-3])


def test_sections_of_several_folders_are_distinguished(extras):
    titles = [document.title for document in extra_sections(extras, named=True)]
    assert titles[1] == f"Semantic anchoring ({extras.name})"
    assert len(set(titles)) == 3


def test_nothing_is_loaded_from_elsewhere(built, reader):
    assert all(link.startswith(("data:image/svg+xml;base64,", "#")) for link in reader.links)
    assert reader.tags.count("img") > 10
    for link in reader.links:
        if link.startswith("data:"):
            image = base64.b64decode(link.partition(",")[2]).decode()
            ElementTree.fromstring(image)
            assert 'href="http' not in image and "url(http" not in image
    assert not re.search(r"url\(|@import|https?://", built[0])


def test_whatever_a_name_or_a_review_holds_is_text(reader):
    assert not {"script", "i", "iframe", "object"} & set(reader.tags)
    assert "other<i>" in reader.text
    assert "<i>bob</i> on pump" in reader.text
    assert WORDS.text in reader.text


def test_images_say_what_they_show(built):
    alternatives = re.findall(r'<img alt="([^"]*)"', built[0])
    assert "validation NDCG@10" in alternatives
    assert all(alternatives)


def scores_text(runs, dataset):
    return Document("Scores", scores_section(find_runs(runs), dataset, "test")).markdown()


def test_scores_have_intervals(trained_run, dataset):
    values = np.load(trained_run / "per_user_test.npz")["ndcg@10"]
    pattern = rf"{values.mean():.4f} \[(0\.\d+), (0\.\d+)\]"
    found = re.search(pattern, scores_text([trained_run], dataset))
    error = values.std(ddof=1) / np.sqrt(len(values))
    ends = float(found[1]), float(found[2])
    np.testing.assert_allclose(ends, values.mean() + np.array([-1.96, 1.96]) * error, atol=0.01)


def test_metrics_that_a_run_lacks_are_left_out(trained_run, dataset, tmp_path):
    # As a baseline has nothing but scores; at 3 and 10 alone.
    other = score_at_random(tmp_path / "other", dataset)
    text = scores_text([trained_run, other], dataset)
    assert "ndcg@10" in text and "ndcg@20" not in text
    assert "All settings" not in Reader(build_run_page(dataset, [other])).text


def test_a_run_that_is_not_scored_is_named(trained_run, dataset, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained_run, copy)
    (copy / "metrics_test.json").unlink()
    titles = []
    page = build_run_page(dataset, [copy, trained_run], progress=titles.append)
    assert f"--workdir={copy}" in Reader(page).text
    assert "Training" in titles and not {"Comparison", "Popularity bias"} & set(titles)


def test_an_ablation_among_the_runs(trained_run, dataset, tmp_path):
    write_ablation(tmp_path)
    with pytest.raises(DataError, match=r"run full: .* has neither"):
        build_run_page(dataset, [tmp_path])
    shutil.copytree(trained_run, tmp_path / "full")
    text = Reader(build_run_page(dataset, [tmp_path])).text
    assert "small: full" in text and "Ablation" in text
    assert "-0.1000 (-25.0%)" in text and "n_layers=0" in text
    assert "Comparison" not in text  # of a single run


def test_bad_input(trained_run, dataset, tmp_path):
    with pytest.raises(ConfigError, match="at least one run"):
        build_run_page(dataset, [])
    with pytest.raises(ConfigError, match="given twice"):
        build_run_page(dataset, [trained_run, trained_run])
    with pytest.raises(DataError, match=r"neither metrics\.jsonl nor"):
        build_run_page(dataset, [tmp_path])
    with pytest.raises(DataError, match=r"holds no ablation\.json"):
        extra_sections(tmp_path)
    (tmp_path / "explanations.json").write_text('{"reviews": [{"item": 1}]}')
    with pytest.raises(DataError, match=r"explanations.json: .*launch/explain.py"):
        extra_sections(tmp_path)


# A narrow frame stands for a phone: Chromium's own window has a least width. Styles are measured
# by a script of the frame's parent, as the page itself runs none.
FRAME = """<!doctype html><body style="margin:0"><iframe id="f" src="report.html"
style="border:0;width:{width}px;height:{height}px"></iframe><script>
onload = () => {{ const d = document.getElementById("f").contentDocument;
  const images = [...d.images]; const root = d.documentElement;
  document.body.dataset.found = [root.scrollWidth, images.length,
    images.filter(i => i.complete && i.naturalWidth > 0).length,
    Math.max(...images.map(i => i.getBoundingClientRect().right)),
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
def test_a_page_runs_no_script(tmp_path, built):
    """Not even one that had slipped through."""
    evil = "<p id='p'>before</p><script>document.getElementById('p').id='ran'</script></body>"
    (tmp_path / "report.html").write_text(built[0].replace("</body>", evil), encoding="utf-8")
    shown = browse((tmp_path / "report.html").as_uri(), tmp_path / "profile", "--dump-dom")
    assert 'id="p"' in shown and 'id="ran"' not in shown
