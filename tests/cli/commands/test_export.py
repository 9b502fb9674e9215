import pytest


def test_the_files_are_named_and_arrays_are_not_replaced(trained, run_binary, dataset, tmp_path):
    _, workdir = trained
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}", f"--output={tmp_path / 'out'}")
    run = run_binary("export", *where, "--format=arrays")
    assert (run.status, run.err) == (0, "")
    files = sorted((tmp_path / "out").iterdir())
    assert run.out.splitlines() == list(map(str, files)) and len(files) == 6
    run = run_binary("export", *where, "--format=arrays")
    assert run.status == 1 and "exists; choose another --output" in run.error
    run = run_binary("export", *where)
    assert run.status == 1 and "no model folder" in run.error


def test_a_model_folder_recommends_without_the_data(trained, run_binary, dataset, tmp_path):
    _, workdir = trained
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}")
    model = tmp_path / "shop.model"
    for _ in range(2):  # it is replaced
        assert run_binary("export", *where, f"--output={model}").status == 0
    for what in (["--users=user-000"], ["--items=item-03"], ["--similar=item-03"]):
        runs = [run_binary("recommend", *w, *what) for w in (where, [f"--model={model}"])]
        assert runs[0].status == 0 and runs[0].out == runs[1].out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "give --model"),
        (["--workdir=run"], "--dataset must be given"),
        (["--model=m", "--dataset=data"], "either --model"),
        (["--model=absent"], "no model folder at absent"),
    ],
)
def test_a_model_that_is_not_there_is_one_line(run_binary, given, message):
    run = run_binary("recommend", "--users=anna", *given)
    assert run.status == 1 and message in run.error
