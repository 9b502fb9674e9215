import shutil

import pytest


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("train", "workdir"),
        ("tune", "workdir"),
        ("ablate", "workdir"),
        ("baselines", "workdir"),
        ("bias", "output"),
        ("report", "output"),
        ("recommend", "output"),
    ],
)
def test_a_prepared_folder_is_no_place_for_anything_else(
    run_binary, dataset, trained, tmp_path, command, flag
):
    folder = shutil.copytree(dataset.folder, tmp_path / "data")
    names = {"report": "report.html", "recommend": "all.csv"}
    others = {
        "bias": [f"--runs={trained[1]}"],
        "report": [f"--runs={trained[1]}"],
        "recommend": [f"--workdir={trained[1]}"],
    }
    value = folder / names.get(command, ".")
    run = run_binary(command, f"--dataset={folder}", f"--{flag}={value}", *others.get(command, []))
    assert (run.status, run.out) == (1, "") or command == "tune"
    assert "holds a prepared folder: choose another" in run.error
    assert {path.name for path in folder.iterdir()} == {
        path.name for path in dataset.folder.iterdir()
    }
