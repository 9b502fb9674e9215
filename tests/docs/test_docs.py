"""The documentation does what it says: commands parse, the tutorial and the examples run."""

import configparser
import contextlib
import json
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from absl.testing import flagsaver
from starlette.testclient import TestClient

from symcere_jax.baselines.methods import METHODS
from symcere_jax.cli import command_line
from symcere_jax.cli.commands import GROUPS
from symcere_jax.evaluation import evaluate
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import SOURCES
from symcere_jax.recommend.http import ServedModel, create_app
from symcere_jax.settings import Settings
from symcere_jax.training import train
from symcere_jax.training.objective import objective
from tests import binaries
from tests.quick import QUICK

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = QUICK | {"batch_size": 1024}
# Less work for the same lines.
FEWER = {
    "baselines": ["--trials=2"],
    "explain": ["--samples=50", "--repeats=2", "--evidence=1"],
    "train": [f"--{name}={value}" for name, value in SETTINGS.items()],
}


def blocks(path, language):
    return re.findall(rf"```({language})\n(.*?)```", path.read_text(encoding="utf-8"), re.S)


def command_lines(code):
    """The commands of a block of shell code or of a help text, as words."""
    code = re.sub(r"python (?:launch|data_prep)/(\w+)\.py", r"symcere \1", code)
    for line in code.replace("\\\n", " ").splitlines():
        if line.strip().startswith("symcere "):
            yield shlex.split(line, comments=True)[1:]


def example(label):
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return re.search(rf"<!-- example: {label} -->\n```python\n(.*?)```", text, re.S)[1]


def test_every_command_of_the_documentation_parses(monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = [
        words for path in PAGES for _, code in blocks(path, "sh") for words in command_lines(code)
    ]
    names = [name for group in GROUPS.values() for name in group]
    assert {words[0] for words in lines} == set(names)
    for name in names:
        with binaries.loaded(name) as module:
            for words in [*lines, *command_lines(module.__doc__)]:
                # Flag files of runs are not there.
                if words[0] == name and not any("flagfile=runs/" in word for word in words):
                    with flagsaver.flagsaver():
                        command_line.parse(words)


def test_links_lead_to_files():
    for path in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "notebooks" / "README.md"]:
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            generated = target.startswith("commands/")
            assert "://" in target or generated or (path.parent / target).exists(), (path, target)


def test_the_architecture_page_names_files_and_layers_that_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for path in set(re.findall(r"`([\w/]+(?:/|\.py))`", text)):
        assert (ROOT / path).exists() or (ROOT / "symcere_jax" / path).exists(), path
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = config["importlinter:contract:layers"]["layers"].strip().splitlines()
    shown = re.search(r"```\n(api\n.*?)```", text, re.S)[1].splitlines()
    assert shown[:-1] == layers[: len(shown) - 1]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """The folder in which all blocks of the tutorial have run, with less training."""
    folder = tmp_path_factory.mktemp("tutorial")
    found = {}
    with contextlib.chdir(folder):
        for language, code in blocks(ROOT / "docs" / "tutorial.md", "sh|python"):
            if language == "python":
                exec(code, found)
            elif heredoc := re.search(r"cat > (\S+) <<'END'\n(.*?)END\n", code, re.S):
                Path(heredoc[1]).write_text(heredoc[2])
            for name, *arguments in command_lines(code) if language == "sh" else ():
                if name != "serve":
                    with binaries.loaded(name) as module:
                        run = binaries.run(module, *arguments, *FEWER.get(name, ()))
                    assert run.status == 0, (name, run.err)
    assert found["top"]["user_id"].value_counts().to_dict() == {"user-001": 5, "user-002": 5}
    return folder


def test_the_tutorial_ends_with_a_model_that_serves(tutorial):
    [words] = [
        shlex.split(code)
        for _, code in blocks(ROOT / "docs" / "tutorial.md", "sh")
        if code.startswith("curl")
    ]
    path = words[-1].removeprefix("localhost:8000")
    model = ServedModel(tutorial / "shop.model")
    app = create_app(model)
    exec(example("route"), {"app": app, "model": model})
    with TestClient(app) as client:
        answer = client.post(path, json=json.loads(words[words.index("-d") + 1]))
        assert len(answer.json()[0]["items"]) == 3
        assert client.get("/item/item-007").json()["row"] == 7
        assert client.get("/item/nothing").status_code == 404
    assert "newcomer" in model.recommender.users.ids
    assert (tutorial / "runs" / "why" / "explanations.html").exists()


def test_the_readme_uses_the_loss_as_it_stands():
    [code] = [code for _, code in blocks(ROOT / "README.md", "python") if "sincere_loss" in code]
    graph, text = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    found = {
        "labels": np.array([0, 1, 0, 2, 1, 0]),
        "graph": graph,
        "text": text,
        "temperature": 0.5,
    }
    exec(code, found)
    assert math.isfinite(found["loss"]) and found["loss"] > 0


def test_the_example_of_a_source_reads_reviews(tmp_path, monkeypatch):
    found = {}
    exec(example("source"), found)
    monkeypatch.setitem(SOURCES, "hotelrec", found["SOURCE"])  # in place of a name that is allowed
    row = {"author": "a", "movie": "m", "stars": 4, "body": "fine", "written": "2020-01-02"}
    rows = [row | {"author": f"a{u}", "movie": f"m{i}"} for u in range(4) for i in range(3)]
    path = tmp_path / "dump.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    settings = PrepareSettings(
        source="hotelrec", input=path, output=tmp_path / "data", text_encoder="none"
    )
    data = prepare(settings)
    assert (data.n_users, data.n_items, data.reviews().num_rows) == (4, 3, 12)


def test_the_example_of_a_baseline_beats_popularity(dataset):
    before = dict(METHODS)
    try:
        exec(example("baseline"), {"__name__": "symcere_jax.baselines.co_counts"})
        method = METHODS["co_counts"]
    finally:
        METHODS.clear()
        METHODS.update(before)
    scores = {}
    for each in (method, METHODS["popularity"]):
        scorer = each().fit(dataset, 0)
        found = evaluate(scorer.score_block, scorer.params, dataset, "test", ks=(10,))
        scores[each.title] = found.metrics["ndcg@10"]
    assert scores["co-occurrence"] > scores["popularity"]


def test_the_example_of_a_metric_is_the_mean_of_surprises():
    found = {}
    exec(example("metric"), found)
    recommended, counts = np.array([[0, 2, -1], [1, 0, 2]]), np.array([8, 2, 0])
    values = found["novelty_metrics"](recommended, counts, 16, (1, 3))
    surprise = [-math.log2(max(count, 1) / 16) for count in counts]
    assert values["novelty@1"].tolist() == [surprise[0], surprise[1]]
    assert values["novelty@3"] == pytest.approx(
        [(surprise[0] + surprise[2]) / 2, sum(surprise) / 3]
    )


def test_the_example_of_a_loss_trains(dataset, tmp_path, monkeypatch):
    found = {}
    exec(example("loss"), found)
    build = objective.build_terms
    monkeypatch.setattr(
        objective,
        "build_terms",
        lambda model: build(model) | {"score_size": (1e-3, found["ScoreSize"]())},
    )
    train(Settings(**SETTINGS), dataset, tmp_path)
    record = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert record["score_size"] > 0
