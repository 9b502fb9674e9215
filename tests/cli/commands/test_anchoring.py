import json

import pytest

FEW = ("--samples=30", "--repeats=2", "--reviews=6")


@pytest.fixture
def anchoring(run_binary, dataset, trained_run):
    def run(*arguments):
        return run_binary(
            "anchoring", f"--dataset={dataset.folder}", f"--runs={trained_run}", *FEW, *arguments
        )

    return run


def test_planted_words_of_generated_reviews(anchoring, tmp_path):
    run = anchoring(f"--output={tmp_path}", "--against=text")
    assert run.status == 0, run.err
    assert run.out.startswith((tmp_path / "anchoring.md").read_text(encoding="utf-8"))
    content = json.loads((tmp_path / "anchoring.json").read_text(encoding="utf-8"))
    assert [model["name"] for model in content["models"]] == ["both_towers", "text alone"]
    assert content["n_reviews"] == 6
    assert "generated from" in content["word_classes"]
    assert content["models"][1]["auc"] > 0.6
    assert (tmp_path / "anchoring.svg").exists()


def test_own_lists(anchoring, tmp_path):
    (tmp_path / "facts.txt").write_text("oven\nguitar\ngasket\nlobby\nprinter\ntent\nlens\nhose\n")
    (tmp_path / "feelings.txt").write_text("good\nbad\ngreat\nbest\npoor\n")
    lists = [
        f"--factual_words={tmp_path / 'facts.txt'}",
        f"--sentiment_words={tmp_path / 'feelings.txt'}",
    ]
    output = tmp_path / "made"
    run = anchoring(f"--output={output}", "--notext_model", *lists)
    assert run.status == 0, run.err
    content = json.loads((output / "anchoring.json").read_text(encoding="utf-8"))
    assert content["word_classes"] == "lists given by the user"
    (model,) = content["models"]
    top = {one["word"] for one in model["classes"]["sentiment"]["top"]}
    assert top <= {"good", "bad", "great", "best", "poor"}


def test_errors_are_one_line_and_nothing_is_written(anchoring, tmp_path):
    output = tmp_path / "output"
    (tmp_path / "empty.txt").touch()
    empty = tmp_path / "empty.txt"
    for arguments, message in (
        ([f"--factual_words={empty}"], "give both"),
        ([f"--factual_words={empty}", f"--sentiment_words={empty}"], "has no words"),
        ([f"--runs={tmp_path}"], "checkpoint"),
        ([f"--output={empty}"], "is a file: choose a folder"),
    ):
        run = anchoring(f"--output={output}", *arguments)
        assert (run.status, run.out) == (1, ""), arguments
        assert message in run.error
        assert not output.exists()
