"""Two processes that train one model do what one does, and leave one workdir."""

import json
import os
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
from symcere_jax.training.processes import (
    SharedReader,
    anywhere,
    by_first,
    first_then_others,
    is_first,
    of_first,
)

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (
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
    # Stopped after an epoch, both go on from the checkpoint that the first one wrote.
    outputs = _train_together(dataset.folder, found["two"], 2)
    assert "trained 2 epochs" in outputs[0]
    assert "trained" not in outputs[1]
    _, err = one.communicate(timeout=300)
    assert one.returncode == 0, err
    return found


def test_the_course_of_the_run_is_the_same(workdirs):
    one, two = (read_metric_log(workdir) for workdir in workdirs.values())
    assert [record["epoch"] for record in one] == [0, 1, 2]
    assert len(two) == 3  # written by one of the two
    for record, other in zip(one, two, strict=True):
        del record["seconds"], other["seconds"]
        assert other == pytest.approx(record, rel=1e-3)


def test_the_checkpoints_are_the_same(workdirs, dataset):
    for workdir in workdirs.values():
        assert Checkpoints(workdir).metadata("latest").progress.step == 10
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


@pytest.mark.parametrize("cause", ["a file", "no room"])
def test_what_the_first_process_cannot_do_is_an_error_in_both(dataset, tmp_path, cause):
    if cause == "a file":
        (tmp_path / "run").touch()
    together = [f"--coordinator=localhost:{_free_port()}", "--process_count=2"]
    runs = [
        _start(dataset.folder, tmp_path / "run", 1, *together, f"--process_index={index}", limit=to)
        for index, to in enumerate(["ulimit -f 16" if cause == "no room" else "", ""])
    ]
    # Left waiting, the other one would give up after five minutes.
    errors = [run.communicate(timeout=100)[1].splitlines()[-1] for run in runs]
    assert [run.returncode for run in runs] == [1, 1]
    assert errors[0].startswith("error: ")
    assert errors[1].startswith("error: process 0: ")
    assert all(str(tmp_path / "run") in error for error in errors)


BLOCK_BYTES = 300  # so that small files have several


@pytest.fixture(scope="module")
def folders(dataset, tmp_path_factory) -> dict[str, list[Path]]:
    """Two copies of the prepared folder in which a process's own blocks alone are left, and two."""
    root = tmp_path_factory.mktemp("reading")
    found = {
        name: [root / f"{name}_{index}" for index in range(2)] for name in ("share", "damaged")
    }
    for folder in (*found["share"], *found["damaged"]):
        shutil.copytree(dataset.folder, folder)
    for index, folder in enumerate(found["share"]):
        for path in folder.rglob("*.npy"):
            content = np.fromfile(path, np.uint8)
            content[np.arange(len(content)) // BLOCK_BYTES % 2 != index] = 0
            content.tofile(path)
    return found


@pytest.fixture(scope="module")
def readings(dataset, folders) -> list[dict]:
    """What each of two processes finds that read together (see `reading.py`)."""
    script, port = Path(__file__).with_name("reading.py"), _free_port()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    runs = []
    for index in range(2):
        own = [folders[name][index] for name in ("share", "damaged")]
        command = [sys.executable, script, port, index, BLOCK_BYTES, dataset.folder, *own]
        run = subprocess.Popen(
            list(map(str, command)),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        runs.append(run)
    found = []
    for run in runs:
        # An error that one of them has alone would leave the other waiting for minutes.
        out, err = run.communicate(timeout=100)
        assert run.returncode == 0, err
        found.append(json.loads(out.splitlines()[-1]))
    return found


def test_both_processes_read_what_one_does(readings):
    for found in readings:
        assert found["equal"] == [True] * 6
        assert found["positive"]
        assert found["default"]


def test_each_process_reads_its_share_from_disk(readings, dataset):
    files = ["manifest.json", *(f"{split}.npy" for split in ("train", "valid", "test"))]
    files += [f"text/lsa/{rows}.npy" for rows in ("users", "items", "reviews")]
    files += ["reviews.parquet"]
    for name in files:
        blocks = np.arange((dataset.folder / name).stat().st_size) // BLOCK_BYTES
        share = np.bincount(blocks % 2, minlength=2).tolist()
        assert [found["counts"].get(Path(name).name, 0) for found in readings] == share
    assert {len(found["counts"]) for found in readings} == {len(files)}
    for found in readings:  # where there is nothing else to be read
        assert found["shares"] == [True] * 6


def test_what_one_process_cannot_read_is_an_error_in_both(readings, dataset, folders):
    first, second = (found["errors"] for found in readings)
    again = "prepare the data again"
    path = dataset.folder / "train.npy"
    reason = f"not readable ([Errno 5] Input/output error: '{path}')"
    assert first["unreadable"] == second["unreadable"] == f"{path} is {reason}; {again}"

    damaged, other = folders["damaged"]
    sizes = [dataset.manifest.files["reviews.parquet"]["bytes"], 8]
    for own, errors in ((damaged, first), (other, second)):
        assert errors["sizes"] == (
            f"{own / 'reviews.parquet'} has 8 bytes for one process and {sizes[0]} for another: "
            "give all of them the same folder"
        )
        assert errors["damaged"].startswith(f"{own / 'train.npy'} is damaged: its checksum is not")
    assert second["table"].startswith(f"{other / 'reviews.parquet'}: not readable (")
    assert second["cut off"] == (
        f"{other / 'reviews.parquet'} has 8 bytes, the manifest says {sizes[0]}; {again}"
    )
    assert second["manifest"] == (
        f"{other / 'manifest.json'} is not what the other processes read: give all of them the "
        "same folder"
    )
    assert second["absent"] == f"no prepared folder at {other / 'absent'}"
    for name in ("table", "cut off", "manifest", "absent"):
        assert first[name] == f"process 1: {second[name]}"


@pytest.mark.parametrize("block_bytes", [1, 7, 10, 64])
def test_a_process_alone_reads_all_blocks(tmp_path, block_bytes):
    for content in (b"", b"a", bytes(range(10)), bytes(range(70))):
        (tmp_path / "file").write_bytes(content)
        blocks = [block.tobytes() for block in SharedReader(block_bytes).blocks(tmp_path / "file")]
        assert b"".join(blocks) == content
        assert all(len(block) == block_bytes for block in blocks[:-1])
    with pytest.raises(FileNotFoundError, match="absent"):
        list(SharedReader().blocks(tmp_path / "absent"))


def test_a_process_alone_has_its_own_errors(tmp_path):
    def fail(error):
        raise error

    assert SharedReader().in_all(lambda: 3) == 3
    for error in (DataError("é" * 5000), DataError(""), FileNotFoundError(2, "absent")):
        with pytest.raises(type(error)) as caught:
            SharedReader().in_all(lambda error=error: fail(error))
        assert caught.value is error


def test_a_file_that_becomes_shorter_while_it_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    blocks = SharedReader(10).blocks(path)
    next(blocks)
    path.write_bytes(bytes(15))
    with pytest.raises(OSError, match="Input/output error"):
        list(blocks)


def test_a_process_alone_asks_nobody():
    assert is_first()
    assert of_first(0.1) == 0.1
    assert anywhere(True)
    assert not anywhere(False)
    done = []
    by_first(lambda: done.append("by first"))
    assert first_then_others(lambda: len(done)) == 1
