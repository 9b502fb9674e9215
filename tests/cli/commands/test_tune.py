import csv
import functools

import pytest


@pytest.fixture(scope="module")
def tune(run_process):
    return functools.partial(run_process, "tune")


def test_a_search_from_the_first_trial_to_the_flagfile(tune, dataset, tmp_path, small_run):
    where = (f"--dataset={dataset.folder}", f"--workdir={tmp_path}")
    search = (*where, *small_run, "--space=dropout=0..0.5", "--trials=1")
    done = tune(*search)
    assert done.returncode == 0, done.stderr
    assert '--space="dropout=0.0..0.5"\n' in done.stdout
    with (tmp_path / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    assert [trial["state"] for trial in trials] == ["complete"]
    assert f"best: trial 0, valid ndcg@10 {float(trials[0]['score']):.4f}" in done.stdout
    flags = set((tmp_path / "best.flags").read_text().splitlines())
    assert set(small_run) <= flags
    assert (tmp_path / "history.png").exists()
    assert (tmp_path / "trial_0" / "checkpoints").is_dir()
    assert list(tmp_path.glob("trial_*/*test*")) == []  # the test split is for others

    again = tune(*search)  # nothing is left to do
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert again.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--dataset=none/there"], 1, "make it with python data_prep/prepare.py --source=table"),
        (["--dataset=.", "--trials=0"], 2, "flag --trials=0"),
    ],
)
def test_a_bad_command_line_is_one_line(tune, tmp_path, arguments, status, message):
    done = tune(*arguments, f"--workdir={tmp_path / 'runs'}")
    assert done.returncode == status
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_help_shows_how_to_give_a_space(tune):
    done = tune("--help")
    assert done.returncode == 0
    assert 'temperature=0.05..0.5:log batch_size=256,512,1024"' in done.stdout
    assert "--trials" in done.stdout
