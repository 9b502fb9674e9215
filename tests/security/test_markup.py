"""Whatever ids, texts and names hold, pages show it as text: no tag, no attribute, no script."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from symcere_jax import explain
from symcere_jax.data import ReviewDataset
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.report.explanation_document import Explanations, write_explanations
from symcere_jax.report.run_page import build_run_page
from symcere_jax.settings import Settings
from symcere_jax.study.scoring import score_run
from symcere_jax.training import load_model, train

SCRIPT = "<script>alert(1)</script>"
IMAGE = "\"'><img src=x onerror=alert(1)>"
CLOSE = "</style></td></mark></title><svg/onload=alert(1)>"
NAME = f"{SCRIPT}{CLOSE}"


class _Reader(HTMLParser):
    """Collects what a browser would act on, and what it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data


def _check(page: str, *shown: str) -> None:
    reader = _Reader(page)
    assert not reader.tags & {"script", "svg", "iframe", "object", "embed", "form", "base", "link"}
    for name, value in reader.attributes:
        assert not name.startswith("on"), (name, value)
        if name in ("src", "href"):
            assert value.startswith(("data:image/png;", "data:image/svg+xml;", "#")), value
    assert "default-src 'none'" in page
    for text in shown:
        assert text in reader.text, text


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> ReviewDataset:
    """Prepared reviews of users and items with such names, whose texts hold such words."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {
            "user_id": f"{SCRIPT}{user:02}",
            "item_id": f"{IMAGE}{item:02}",
            "rating": 5,
            "text": f"{CLOSE} {SCRIPT} {IMAGE} word{user % 3} word{item % 4} clean",
        }
        for user in range(24)
        for item in range(8)
        if (user + item) % 2
    ]
    (folder / "raw.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = PrepareSettings(
        source="table", input=folder / "raw.jsonl", output=folder / "data", name=NAME,
        text_width=6, k_core=1, clean_texts=False, drop_copies=False,
    )  # fmt: skip
    prepare(settings)
    return ReviewDataset.load(settings.output)


@pytest.fixture(scope="module")
def run(hostile, tmp_path_factory) -> Path:
    """A scored run, in a folder whose name is hostile too."""
    workdir = tmp_path_factory.mktemp("runs") / IMAGE.replace("/", "")
    settings = {"n_layers": 1, "propagation": "segment", "cross_modal_weight": 0.0, "epochs": 1}
    train(Settings(**settings, user_ranking_weight=0.0), hostile, workdir)
    score_run(workdir, hostile, "test")
    return workdir


def test_the_report(hostile, run):
    _check(build_run_page(hostile, [run]), NAME)


def test_explanations(hostile, run, tmp_path):
    trained = load_model(run, hostile)
    aligner = explain.Aligner.from_model("model", trained, hostile, "fused")
    lime = explain.LimeSettings(samples=50, repeats=1)
    reviews = explain.explain_reviews(aligner, hostile, [0, 1], lime=lime)
    one = explain.explain_recommendation(trained, hostile, 0, 0, n_reviews=1, lime=lime)
    write_explanations(Explanations(hostile.name, "fused", reviews, [one]), tmp_path)
    [page] = tmp_path.glob("*.html")
    ids = reviews[0].user_id, reviews[0].item_id, one.user_id, one.item_id
    _check(page.read_text(encoding="utf-8"), SCRIPT, IMAGE, CLOSE, NAME, *ids)


def test_the_service(hostile, run):
    """Its page holds nothing of the data; answers are JSON, which browsers do not take for HTML."""
    from starlette.testclient import TestClient

    from symcere_jax.recommend.http import ServedModel, create_app

    with TestClient(create_app(ServedModel(run, hostile.folder))) as client:
        page = client.get("/")
        assert SCRIPT not in page.text and "innerHTML" not in page.text
        assert "document.write" not in page.text and "insertAdjacentHTML" not in page.text
        user = str(hostile.user_ids()[0])
        for path, body in (
            ("/recommend", {"users": [user]}),
            ("/recommend", {"users": [IMAGE]}),
            ("/search", {"text": f"{SCRIPT} word1"}),
            ("/recommend", {"users": 1, SCRIPT: IMAGE}),
        ):
            answer = client.post(path, json=body)
            assert answer.headers["content-type"] == "application/json", (path, body)
            assert answer.headers.get("x-content-type-options") == "nosniff", (path, body)
        found = client.post("/recommend", json={"users": [user]}).json()[0]
        assert found["user_id"] == user and found["items"][0]["item_id"].startswith(IMAGE)
