"""The binary that fine-tunes: what it says, how it stops, what it refuses."""

import re
import signal
import subprocess

import numpy as np
import pytest

from data_prep.adding_text import EncodeConfig, add_text
from symcere_jax.data import ReviewDataset
from symcere_jax.text.language_models import SentenceEncoder
from tests.text.finetuning.small import prepare_reviews
from tests.text.language_models.models import make_model, write_sentence_settings

SETTINGS = ("--layers=1", "--batch_size=16", "--learning_rate=0.003", "--max_length=16")
MANY_EPOCHS = "--epochs=20"  # time to stop a run


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """Flags that name a small model and a prepared folder of the words that it knows."""
    folder = tmp_path_factory.mktemp("finetune")
    make_model(folder / "bert", "bert")
    write_sentence_settings(folder / "bert", {"pooling_mode_mean_tokens": True}, max_seq_length=40)
    data = prepare_reviews(folder / "words").folder
    return f"--dataset={data}", f"--text_model={folder / 'bert'}"


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_says_how_it_goes_and_encode_takes_what_it_writes(run_binary, where, tmp_path):
    output = tmp_path / "sub" / "model"
    run = run_binary("finetune", *where, f"--output={output}", "--epochs=2", *SETTINGS)
    assert run.status == 0, run.err
    best, following = run.out.splitlines()
    assert re.fullmatch(r"best: epoch [12], valid mrr 0\.\d{4}; before: 0\.\d{4}", best)
    assert following.endswith(f"--text_model={output} --text_name=tuned")
    lines = [line for line in re.split(r"[\r\n]+ *", run.err) if line and "reviews/s" not in line]
    assert lines[0] == "2 epochs of 181 reviews"
    assert re.fullmatch(r"epoch   0  valid mrr 0\.\d{4} \*", lines[1])
    assert re.fullmatch(r"epoch   1  loss \d\.\d{4}  valid mrr 0\.\d{4}( \*)?", lines[2])
    assert "reviews/s" in run.err

    dataset = ReviewDataset.load(where[0].partition("=")[2])
    config = EncodeConfig(
        dataset=dataset.folder, text_encoder="transformer", text_model=str(output), text_cache=""
    )
    add_text(config)
    features = ReviewDataset.load(dataset.folder).text_features("transformer", "reviews")
    texts = dataset.reviews(["text"])["text"].to_pylist()
    np.testing.assert_allclose(features, SentenceEncoder(output).encode(texts), atol=1e-5)

    again = run_binary("finetune", *where, f"--output={output}", *SETTINGS)
    assert (again.status, again.out) == (1, "")
    assert again.error == f"{output} exists; choose another --output"


def test_towards_the_items_of_a_trained_run(run_binary, where, dataset, trained_run, tmp_path):
    model = where[1]
    arguments = (model, f"--workdir={trained_run}", f"--output={tmp_path / 'model'}", "--epochs=1")
    run = run_binary("finetune", f"--dataset={dataset.folder}", *arguments, *SETTINGS)
    assert run.status == 0, run.err
    assert '"targets": "embeddings ' in (tmp_path / "model" / "finetuning.json").read_text()
    other = run_binary("finetune", where[0], *arguments[:2], f"--output={tmp_path / 'x'}")
    assert other.status == 1 and "give the folder that it was trained on" in other.error


@pytest.fixture(scope="module")
def whole(run_binary, where, tmp_path_factory):
    """What a run of many epochs writes that nothing stops."""
    output = tmp_path_factory.mktemp("whole") / "model"
    run = run_binary("finetune", *where, *SETTINGS, MANY_EPOCHS, f"--output={output}")
    assert run.status == 0, run.err
    return output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopped_or_killed_the_same_command_goes_on(whole, where, command, tmp_path, number):
    output = f"--output={tmp_path / 'model'}"
    line, environment = command("finetune", *where, *SETTINGS, MANY_EPOCHS, output)
    with subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for printed in process.stderr:
            if "epoch   3" in printed:
                process.send_signal(number)
                break
        out, err = process.communicate()
    assert not (tmp_path / "model").exists()
    if number != signal.SIGKILL:
        assert process.returncode == 75, err
        assert re.fullmatch(r"stopped after \d+ epochs; the same command goes on from there\n", out)
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("resumed at step ")
    left = [path.name for path in tmp_path.iterdir() if path.name != ".model.lock"]
    assert left == ["model"]
    assert _files(tmp_path / "model") == _files(whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers=3"], "--layers=3, but .* has 2 layers"),
        (["--layers=0"], "--layers is 0, must be at least 1"),
        (["--temperature=0"], "--temperature is 0.0, must be above 0"),
        (["--text_model=/nowhere/else"], "--text_model=/nowhere/else is no folder, and cannot be"),
        (["--dataset=/nowhere/else"], "no prepared folder at /nowhere/else: make it with"),
        (["--workdir=/nowhere/else"], "no checkpoint in /nowhere/else"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    run_binary, where, tmp_path, arguments, message
):
    output = tmp_path / "sub" / "model"
    run = run_binary("finetune", *where, f"--output={output}", *arguments)
    assert (run.status, run.out) == (1, "")
    assert re.search(message, run.error)
    assert not (tmp_path / "sub").exists() or not list((tmp_path / "sub").iterdir())


def test_help_names_every_setting(run_binary):
    run = run_binary("finetune", "--help")
    assert (run.status, run.err) == (0, "")
    assert "Fine-tunes the last layers of a sentence encoder" in run.out
    for name in ("dataset", "text_model", "output", "workdir", "layers", "epochs", "batch_size",
                 "learning_rate", "temperature", "max_length", "seed"):  # fmt: skip
        assert re.search(rf"^  --{name}: ", run.out, re.MULTILINE), name
