import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from symcere_jax.cli import training_runs
from symcere_jax.models import defaults
from symcere_jax.settings import Settings
from symcere_jax.training import Checkpoints
from symcere_jax.training.metric_log import read_metric_log

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.flags"))


def _records(workdir):
    """The records without the seconds."""
    records = read_metric_log(workdir)
    for record in records:
        del record["seconds"]
    return records


def test_a_run_says_how_it_goes_and_ends(trained, dataset):
    run, workdir = trained
    records = _records(workdir)
    best = max(records, key=lambda record: record["ndcg@10"])
    trained_line, files, following = run.out.splitlines()
    seconds = re.fullmatch(
        rf"trained 60 epochs in \d+ s; best: epoch {best['epoch']}, "
        rf"valid ndcg@10 {best['ndcg@10']:.4f}",
        trained_line,
    )
    assert seconds, trained_line
    assert files == f"checkpoints and logs: {workdir}"
    assert following == (
        f"next: python launch/evaluate.py --workdir={workdir} "
        f"--dataset={dataset.folder} --split=test"
    )
    chosen, first, *epochs = run.err.splitlines()
    assert "temperature=0.1" in chosen
    assert first == "at most 60 epochs of 3 steps of 256 interactions"
    assert len(epochs) == len(records) == 61
    assert epochs[-1].startswith(f"epoch  60  loss {records[-1]['loss']:.4f}  valid ndcg@10 ")
    assert {path.name for path in workdir.iterdir()} >= {
        "checkpoints",
        "flags.txt",
        "metrics.jsonl",
        "tensorboard",
    }


def test_experts_are_trained_in_turn_and_weighed(run_binary, dataset, small_run, tmp_path):
    arguments = (f"--dataset={dataset.folder}", f"--workdir={tmp_path}", *small_run)
    run = run_binary("train", *arguments, "--experts=graph,neighbors")
    assert run.status == 0, run.err
    number = r"[01]\.\d\d"
    kinds = ", ".join(f"{kind} {number}" for kind in ("popularity", "graph", "neighbors"))
    line = rf"trained in \d+ s; weights: {kinds}, valid ndcg@10 0\.\d{{4}}"
    assert re.fullmatch(line, run.out.splitlines()[0])
    said = run.err.splitlines()
    assert said[0] == "experts: graph, neighbors"
    assert sum(line.startswith("expert graph") for line in said) == 1
    best = Checkpoints(tmp_path).metadata().progress.best_score
    assert run.out.splitlines()[0].endswith(f"{best:.4f}")
    scored = run_binary("evaluate", *arguments[:2], "--split=valid")
    assert scored.status == 0, scored.err
    metrics = json.loads((tmp_path / "metrics_valid.json").read_text())
    assert metrics["ndcg@10"] == pytest.approx(best, abs=1e-6)


def test_a_large_catalog_is_told_of_what_it_lacks(
    run_binary, dataset, small_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(defaults, "MAX_ITEMS", 20)
    arguments = (f"--dataset={dataset.folder}", f"--workdir={tmp_path}", *small_run)
    run = run_binary("train", *arguments, "--epochs=0")
    assert run.err.splitlines()[0] == (
        "experts: graph, aligned, times (without neighbors: the catalog has more than 20 items)"
    )


def test_flags_txt_names_every_setting_and_repeats_the_run(
    trained, run_binary, dataset, settings_flags, tmp_path
):
    _, workdir = trained
    lines = (workdir / "flags.txt").read_text().splitlines()
    names = ["dataset", "workdir", "cpu_devices", "keep_checkpoints", "checkpoint_seconds"]
    given = {flag.removeprefix("--").partition("=")[0] for flag in settings_flags}
    defaults = Settings().as_dict()
    names += [name for name in defaults if name in given or defaults[name] is not None]
    for name, line in zip(names, lines, strict=True):
        assert re.fullmatch(rf"--{name}=.*|--(no)?{name}", line)
    assert f"--dataset={dataset.folder}" in lines
    assert set(settings_flags) <= set(lines)

    again = tmp_path / "again"
    run = run_binary("train", f"--flagfile={workdir / 'flags.txt'}", f"--workdir={again}")
    assert run.status == 0, run.err
    assert _records(again) == _records(workdir)
    lines[lines.index(f"--workdir={workdir}")] = f"--workdir={again}"
    assert (again / "flags.txt").read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning_rate=0.5"], r"other settings: --learning_rate=0.5 \(was 0.\d+\)"),
        (["--noresume"], "already holds a run: resume it with --resume"),
    ],
)
def test_a_workdir_of_another_run_is_refused(trained, run_binary, arguments, message):
    _, workdir = trained
    files = [workdir / name for name in ("flags.txt", "metrics.jsonl")]
    before = [path.read_bytes() for path in files]
    run = run_binary("train", f"--flagfile={workdir / 'flags.txt'}", *arguments)
    assert run.status == 1
    assert re.search(message, run.error)
    assert [path.read_bytes() for path in files] == before


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("data", "--source=table --input=REVIEWS"),
        ("gowalla", "--flagfile=configs/prepare/gowalla.flags --input=REVIEWS"),
        ("amazon_automotive", "--flagfile=configs/prepare/amazon_automotive.flags"),
    ],
)
def test_a_missing_dataset_names_the_command_that_makes_it(run_binary, tmp_path, name, source):
    folder, workdir = tmp_path / name, tmp_path / "run"
    run = run_binary("train", f"--dataset={folder}", f"--workdir={workdir}")
    assert run.status == 1
    assert f"prepare.py {source} --output={folder}" in run.error
    assert not workdir.exists()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_flagfile_is_understood(run_binary, tmp_path, path):
    run = run_binary("train", f"--flagfile={path}", f"--dataset={tmp_path / 'data'}")
    assert run.status == 1
    assert f"no prepared folder at {tmp_path / 'data'}: make it with " in run.error


@pytest.mark.parametrize(
    ("argument", "status", "message"),
    [
        ("--epoch=3", 2, "unknown flag --epoch; did you mean --epochs?"),
        ("--epochs=many", 2, "flag --epochs=many"),
        ("--ranking_loss=hinge", 2, "flag --ranking_loss=hinge: value should be one of"),
        ("--dataset=", 1, "is not a prepared folder"),
        ("--temperature=-1", 1, "--temperature is -1.0, must be above 0"),
        ("--dropout=1", 1, "--dropout is 1.0, must be below 1"),
        ("--epochs=-1", 1, "--epochs is -1, must be at least 0"),
        ("--learning_rate=nan", 1, "--learning_rate is nan, must be finite"),
        ("--text_encoder=bert", 1, "has no text features of encoder 'bert'"),
    ],
)
def test_a_bad_setting_is_one_line(run_binary, dataset, tmp_path, argument, status, message):
    workdir = f"--workdir={tmp_path / 'run'}"
    run = run_binary("train", f"--dataset={dataset.folder}", workdir, argument)
    assert (run.status, run.out) == (status, "")
    assert message in run.error


@pytest.mark.parametrize("missing", ["dataset", "workdir"])
def test_required_flags(run_binary, tmp_path, missing):
    given = {"dataset", "workdir"} - {missing}
    run = run_binary("train", *(f"--{name}={tmp_path / 'absent'}" for name in given))
    assert run.status == 2
    assert run.error == f"--{missing} must be given; --help lists the flags"


def test_sigterm_leaves_a_checkpoint_and_the_same_command_goes_on(
    trained, command, dataset, settings_flags, tmp_path
):
    arguments = (f"--dataset={dataset.folder}", f"--workdir={tmp_path}", *settings_flags)
    line, environment = command("train", *arguments)
    with subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for printed in process.stderr:
            if printed.startswith("epoch   2"):
                process.send_signal(signal.SIGTERM)
                break
        out, err = process.communicate()
    assert process.returncode == 75, err
    assert "stopping after a checkpoint; again to stop at once" in err
    stopped = re.fullmatch(r"stopped after (\d+) epochs; the same command resumes\n", out)
    assert 2 <= int(stopped[1]) < 60
    step = Checkpoints(tmp_path).metadata().progress.step
    assert step // 3 == int(stopped[1])

    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[1] == f"resumed at step {step}"
    _, workdir = trained
    assert _records(tmp_path) == _records(workdir)
    progress, expected = (Checkpoints(run).metadata().progress for run in (tmp_path, workdir))
    assert progress == expected


def test_the_second_signal_acts_as_usual(capsys):
    numbers = signal.SIGINT, signal.SIGTERM
    before = [*map(signal.getsignal, numbers)]
    with training_runs.stop_on_signals() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.is_set()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert [*map(signal.getsignal, numbers)] == before
    assert "again to stop at once" in capsys.readouterr().err
