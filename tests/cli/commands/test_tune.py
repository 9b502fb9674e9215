import csv

import pytest


def test_a_search_from_the_first_trial_to_the_flagfile(run_binary, dataset, tmp_path, small_run):
    where = (f"--dataset={dataset.folder}", f"--workdir={tmp_path}")
    search = ("tune", *where, *small_run, "--space=dropout=0..0.5", "--trials=1")
    done = run_binary(*search)
    assert done.status == 0, done.err
    assert '--space="dropout=0..0.5"\n' in done.out
    with (tmp_path / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    assert [trial["state"] for trial in trials] == ["complete"]
    assert f"best: trial 0, valid ndcg@10 {float(trials[0]['score']):.4f}" in done.out
    flags = set((tmp_path / "best.flags").read_text().splitlines())
    assert set(small_run) <= flags
    assert (tmp_path / "history.svg").exists()
    assert (tmp_path / "trial_0" / "checkpoints").is_dir()
    assert list(tmp_path.glob("trial_*/*test*")) == []  # the test split is for others

    again = run_binary(*search)  # nothing is left to do
    assert (again.status, again.out, again.err) == (0, done.out, "")


@pytest.mark.parametrize(
    ("name", "arguments", "status", "message"),
    [
        ("tune", ["--dataset=none"], 1, "make it with python data_prep/prepare.py --source=table"),
        ("tune", ["--dataset=.", "--trials=0"], 2, "flag --trials=0"),
        ("ablate", ["--dataset=.", "--variants=none.json"], 1, "none.json: not readable as JSON"),
        ("ablate", ["--dataset=.", "--seeds=0"], 2, "flag --seeds=0"),
    ],
)
def test_a_bad_command_line_is_one_line(run_binary, tmp_path, name, arguments, status, message):
    done = run_binary(name, *arguments, f"--workdir={tmp_path / 'runs'}")
    assert done.status == status
    assert message in done.error
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
