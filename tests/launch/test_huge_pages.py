import os
import subprocess
import sys

import pytest

from launch import huge_pages

PROGRAM = """
import os, pathlib, sys
from launch import huge_pages
print("start", flush=True)
huge_pages.restart(pathlib.Path(sys.argv[1]))
print(os.getpid(), os.environ.get("GLIBC_TUNABLES"), sys.argv[2:])
"""


@pytest.fixture
def mode(tmp_path):
    (tmp_path / "mode").write_text("always [madvise] never\n")
    return tmp_path / "mode"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.arena_max=2", "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1"),
    ],
)
def test_a_program_starts_again_once(tmp_path, mode, given, expected):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    if given is not None:
        environment["GLIBC_TUNABLES"] = given
    run = subprocess.Popen(
        [sys.executable, path, mode, "--a=b c"], env=environment, stdout=subprocess.PIPE, text=True
    )
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert out == f"start\nstart\n{run.pid} {expected} ['--a=b c']\n"


@pytest.mark.parametrize("told", ["[always] madvise never", "always madvise [never]", None])
def test_where_linux_does_not_ask_nothing_is_started(told, tmp_path, monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(os, "execve", lambda *arguments: pytest.fail("started again"))
    if told is not None:
        (tmp_path / "mode").write_text(told)
    assert huge_pages.environment(tmp_path / "mode") is None
    huge_pages.restart(tmp_path / "mode")


def test_what_somebody_has_chosen_stays(mode, monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    assert huge_pages.environment(mode) is None


@pytest.mark.parametrize(("beyond", "restarts"), [(0, 1), (1, 0)])
def test_training_on_large_data_starts_again(
    beyond, restarts, run_binary, dataset, tmp_path, monkeypatch
):
    started = []
    monkeypatch.setattr(huge_pages, "restart", lambda: started.append(1))
    monkeypatch.setattr(huge_pages, "LARGE", len(dataset.train) + beyond)
    # A setting that is refused: nothing is trained.
    arguments = [f"--dataset={dataset.folder}", f"--workdir={tmp_path}", "--temperature=-1"]
    assert "temperature" in run_binary("train", *arguments).error
    assert len(started) == restarts
