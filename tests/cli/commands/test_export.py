import pytest


def test_a_model_folder_recommends_without_the_data(trained, run_binary, dataset, tmp_path):
    _, workdir = trained
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}")
    model = tmp_path / "shop.model"
    for option in ("--stablehlo", "--nostablehlo"):  # it is replaced
        run = run_binary("export", *where, f"--output={model}", option)
        assert (run.status, run.err) == (0, "")
        assert run.out.splitlines() == [str(path) for path in sorted(model.iterdir())]
        assert ("score.stablehlo" in run.out) == (option == "--stablehlo")
    for what in (["--users=user-000"], ["--items=item-03"], ["--similar=item-03"]):
        runs = [run_binary("recommend", *w, *what) for w in (where, [f"--model={model}"])]
        assert runs[0].status == 0 and runs[0].out == runs[1].out
    run = run_binary("export", *where, f"--output={workdir}")
    assert run.status == 1 and "not a model folder" in run.error


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "give either --model"),
        (["--workdir=run"], "both --workdir and --dataset"),
        (["--model=m", "--dataset=data"], "give either --model"),
        (["--model=absent"], "no model folder at absent"),
    ],
)
def test_a_model_that_is_not_there_is_one_line(run_binary, given, message):
    run = run_binary("recommend", "--users=anna", *given)
    assert run.status == 1 and message in run.error
