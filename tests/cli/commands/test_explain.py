import json
import re

import pytest

from tests.report.reader import Reader

FEW = ("--samples=30", "--repeats=2")


@pytest.fixture
def explain(run_binary, dataset, trained_run):
    def run(*arguments):
        return run_binary(
            "explain", f"--dataset={dataset.folder}", f"--workdir={trained_run}", *FEW, *arguments
        )

    return run


def test_reviews(explain, dataset, tmp_path):
    run = explain("--reviews=3,8", f"--output={tmp_path}")
    assert run.status == 0, run.err
    content = json.loads((tmp_path / "explanations.json").read_text(encoding="utf-8"))
    table = dataset.reviews().to_pylist()
    assert [review["row"] for review in content["reviews"]] == [3, 8]
    for review in content["reviews"]:
        assert review["words"]["text"] == table[review["row"]]["text"]
        assert review["item_id"] == dataset.item_ids()[table[review["row"]]["item"]]
        assert review["words"]["words"][0]["word"] in run.out
    page = Reader((tmp_path / "explanations.html").read_text(encoding="utf-8"))
    assert table[3]["text"] in page.text
    assert run.out.splitlines()[-2:] == [
        str(tmp_path / f"explanations.{ending}") for ending in ("json", "html")
    ]


def test_reviews_are_drawn_from_the_test_split(explain, dataset, tmp_path):
    assert explain(f"--output={tmp_path}", "--against=fused").status == 0
    content = json.loads((tmp_path / "explanations.json").read_text(encoding="utf-8"))
    split = dataset.reviews(["split"])["split"].to_pylist()
    rows = [review["row"] for review in content["reviews"]]
    assert len(set(rows)) == 5
    assert {split[row] for row in rows} == {"test"}
    assert content["against"] == "fused"


def test_a_recommendation(explain, dataset, tmp_path):
    user = dataset.user_ids()[7]
    run = explain(f"--user={user}", "--evidence=1", f"--output={tmp_path}")
    assert run.status == 0, run.err
    content = json.loads((tmp_path / "explanations.json").read_text(encoding="utf-8"))
    (one,) = content["recommendations"]
    assert (one["user_id"], one["rank"]) == (user, 1)
    assert re.search(rf"{one['item_id']} for {user}: score", run.out)
    assert "by neighbors" in run.out
    assert len(one["by_user"]) == len(one["about_item"]) == 1
    named = explain(f"--user={user}", f"--item={dataset.item_ids()[4]}", f"--output={tmp_path}")
    assert f"{dataset.item_ids()[4]} for {user}" in named.out


def test_errors_are_one_line_and_nothing_is_written(explain, dataset_without_text, tmp_path):
    output = tmp_path / "output"
    file = tmp_path / "file"
    file.touch()
    for arguments, message in (
        (["--user=nobody"], "no user 'nobody' among the"),
        (["--user=user-001", "--item=none"], "whose ids look like 'item-"),
        (["--item=item-01"], "--item needs --user"),
        (["--user=user-001", "--reviews=1"], "not both"),
        (["--reviews=1,x"], "--reviews has 'x': rows are whole numbers from 0 to"),
        (["--reviews=100000"], "--reviews has '100000'"),
        ([f"--output={file}"], "is a file: choose a folder"),
        ([f"--workdir={tmp_path}"], "checkpoint"),
        ([f"--dataset={dataset_without_text.folder}"], "the folder that it was trained on"),
    ):
        run = explain(f"--output={output}", *arguments)
        assert (run.status, run.out) == (1, ""), arguments
        assert message in run.error
        assert not output.exists()
