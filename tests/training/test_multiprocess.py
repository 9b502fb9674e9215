"""Two processes that train one model do what one does, and leave one workdir."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.training import Checkpoints, load_embeddings
from symcere_jax.training.metric_log import read_metric_log
from symcere_jax.training.multiprocess import (
    any_process,
    broadcast_from_primary,
    check_equal,
    is_primary,
    run_on_all,
    run_on_primary,
    run_on_primary_first,
)

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (
    "--experts=aligned,neighbors",
    "--batch_size=128",
    "--embedding_dim=8",
    "--n_layers=2",
    "--propagation=segment",
    "--user_ranking_weight=0",
    "--cross_modal_weight=0",
    "--learning_rate=0.01",
)


def _start(
    dataset: Path, workdir: Path, epochs: int, *arguments: str, limit: str = ""
) -> subprocess.Popen:
    command = ["bash", "-c", f'{limit}; exec "$0" "$@"'] if limit else []
    command += [sys.executable, ROOT / "launch/train.py", f"--dataset={dataset}", *SETTINGS]
    command += [f"--workdir={workdir}", f"--epochs={epochs}", *arguments]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def _train_together(dataset: Path, workdir: Path, epochs: int) -> list[str]:
    """What each of two processes prints."""
    together = [f"--coordinator=localhost:{_free_port()}", "--process_count=2"]
    runs = []
    for index, seconds in enumerate([3600, 0]):  # clocks differ: one alone sees a checkpoint due
        mine = [f"--process_index={index}", f"--checkpoint_seconds={seconds}"]
        runs.append(_start(dataset, workdir, epochs, *together, *mine))
    outputs = []
    for run in runs:
        out, err = run.communicate(timeout=300)
        assert run.returncode == 0, err
        outputs.append(out)
    return outputs


@pytest.fixture(scope="module")
def workdirs(dataset, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("processes")
    found = {name: folder / name for name in ("one", "two")}
    one = _start(dataset.folder, found["one"], 2)
    _train_together(dataset.folder, found["two"], 1)
    # Stopped after an epoch, both resume from the checkpoint that the first one wrote.
    outputs = _train_together(dataset.folder, found["two"], 2)
    assert "trained in " in outputs[0]
    assert "trained" not in outputs[1]
    _, err = one.communicate(timeout=300)
    assert one.returncode == 0, err
    return found


def test_the_course_of_the_run_is_the_same(workdirs):
    one, two = (read_metric_log(workdir / "experts" / "aligned") for workdir in workdirs.values())
    assert [record["epoch"] for record in one] == [0, 1, 2]
    assert len(two) == 3  # written by one of the two
    for record, other in zip(one, two, strict=True):
        del record["seconds"], other["seconds"]
        assert other == pytest.approx(record, rel=1e-3)


def test_the_checkpoints_are_the_same(workdirs, dataset):
    for workdir in workdirs.values():
        assert Checkpoints(workdir).metadata().progress.step == 10
    (one, _), (two, _) = (load_embeddings(workdir, dataset) for workdir in workdirs.values())
    np.testing.assert_allclose(two.users, one.users, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(two.items, one.items, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--process_count=2"], "--coordinator, --process_count and --process_index go together"),
        (
            ["--coordinator=localhost:1", "--process_count=2", "--process_index=2"],
            "--process_index=2 must be below --process_count=2",
        ),
    ],
)
def test_flags_that_do_not_go_together(dataset, tmp_path, arguments, message):
    run = _start(dataset.folder, tmp_path, 1, *arguments)
    _, err = run.communicate(timeout=100)
    assert run.returncode == 1
    assert err == f"error: {message}\n"


def test_what_the_first_process_cannot_do_is_an_error_in_both(dataset, tmp_path):
    """Its disk is full."""
    together = [f"--coordinator=localhost:{_free_port()}", "--process_count=2"]
    runs = [
        _start(dataset.folder, tmp_path / "run", 1, *together, f"--process_index={index}", limit=to)
        for index, to in enumerate(["ulimit -f 16", ""])
    ]
    # Left waiting, the other one would give up after five minutes.
    errors = [run.communicate(timeout=100)[1].splitlines()[-1] for run in runs]
    assert [run.returncode for run in runs] == [1, 1]
    assert errors[0].startswith("error: ")
    assert errors[1].startswith("error: process 0: ")
    assert all(str(tmp_path / "run") in error for error in errors)


def test_a_damaged_folder_of_one_process_is_an_error_in_both(dataset, tmp_path):
    shutil.copytree(dataset.folder, tmp_path / "damaged")
    (tmp_path / "damaged" / "train.npy").write_bytes(b"")
    together = [f"--coordinator=localhost:{_free_port()}", "--process_count=2"]
    runs = [
        _start(folder, tmp_path / "run", 1, *together, f"--process_index={index}")
        for index, folder in enumerate([dataset.folder, tmp_path / "damaged"])
    ]
    errors = [run.communicate(timeout=100)[1].splitlines()[-1] for run in runs]
    assert [run.returncode for run in runs] == [1, 1]
    assert errors[0].startswith("error: process 1: ")
    assert errors[1].startswith("error: ")
    assert all("damaged/train.npy" in error for error in errors)


def test_a_process_alone_asks_nobody():
    assert is_primary()
    assert broadcast_from_primary(0.1) == 0.1
    assert any_process(True)
    assert not any_process(False)
    check_equal("fingerprint", "the folder")
    calls = []
    run_on_primary(lambda: calls.append("primary"))
    assert run_on_primary_first(lambda: len(calls)) == 1


def test_a_process_alone_has_its_own_errors():
    def fail(error):
        raise error

    assert run_on_all(lambda: 3) == 3
    for error in (DataError("é" * 5000), DataError(""), FileNotFoundError(2, "absent")):
        with pytest.raises(type(error)) as caught:
            run_on_all(lambda error=error: fail(error))
        assert caught.value is error
