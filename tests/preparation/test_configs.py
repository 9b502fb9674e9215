"""The flag files of the data sets."""

import shlex
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
# The quick start generates its data, and has no train flags of its own.
NAMES = sorted(path.stem for path in (CONFIGS / "prepare").glob("*.flags"))
NAMES.remove("synthetic")


def lines(path: Path) -> list[str]:
    rows = path.read_text().splitlines()
    return [row for row in rows if row and not row.startswith("#")]


def test_there_are_five_of_each_platform():
    platforms = [name.split("_")[0] for name in NAMES]
    counts = {name: platforms.count(name) for name in platforms}
    assert counts == {"amazon": 5, "yelp": 5, "tripadvisor": 1, "hotelrec": 4, "gowalla": 1}


@pytest.mark.parametrize("name", NAMES)
def test_a_prepare_file_is_understood(run_prepare, tmp_path, name):
    """All flags are known and fit together: what is missing is the raw file alone."""
    path = tmp_path / "raw.jsonl.gz"
    run = run_prepare(
        f"--flagfile={CONFIGS / 'prepare' / name}.flags",
        f"--input={path}",
        f"--output={tmp_path / 'out'}",
    )
    assert run.status == 1
    assert run.error.startswith(f"no input at {path}; ")
    assert "https://" in run.error
    assert f"--name={name}" in lines(CONFIGS / "prepare" / f"{name}.flags")


@pytest.mark.parametrize("name", NAMES)
def test_a_train_file_names_its_dataset_and_how_it_is_made(name):
    path = CONFIGS / f"{name}.flags"
    flags = dict(line.removeprefix("--").split("=", 1) for line in lines(path))
    assert (flags["dataset"], flags["workdir"]) == (f"data/{name}", f"runs/{name}")
    [note] = (line for line in path.read_text().splitlines() if "symcere prepare" in line)
    flagfile, *raw = shlex.split(note.partition("symcere prepare ")[2])
    assert flagfile == f"--flagfile=configs/prepare/{name}.flags"
    fetched = any(line.startswith("--input=https://") for line in lines(CONFIGS / flagfile[19:]))
    assert fetched == (not raw) and all(flag.startswith("--input=raw/") for flag in raw)
