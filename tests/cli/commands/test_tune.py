import csv


def test_a_search_from_the_first_trial_to_the_flagfile(run_process, dataset, tmp_path, small_run):
    where = (f"--dataset={dataset.folder}", f"--workdir={tmp_path}")
    search = ("tune", *where, *small_run, "--space=dropout=0..0.5", "--trials=1")
    done = run_process(*search)
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

    again = run_process(*search)  # nothing is left to do
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert again.stderr == ""
