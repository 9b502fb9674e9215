"""Tasks in real processes; what they do is a module of its own, which a new process can import."""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from symcere_jax.errors import DataError, SymcereError
from symcere_jax.study.workers import run_tasks

WORK = """
import os, signal, time
from symcere_jax.errors import DataError

def act(task, report, should_stop):
    report((task, os.getpid()))
    if task == "refuse":
        raise DataError("odd data")
    if task == "divide":
        return 1 / 0
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "survive":
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    if task == "memory":
        return os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"]
    if task == "nothing":
        return None
    if task == "wait":
        while not should_stop():
            time.sleep(0.01)
        return "stopped"
    return f"{task} done"
"""
# A program that is killed while its workers wait.
PROGRAM = """
import work_of_test_workers
from symcere_jax.study.workers import run_tasks

if __name__ == "__main__":
    tell = lambda report: print(report[1], flush=True)
    options = {"processes": 2, "on_report": tell, "should_stop": lambda: False}
    list(run_tasks(work_of_test_workers.act, ["wait", "wait"], **options))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs tasks; returns results and reports."""
    (tmp_path / "work_of_test_workers.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("work_of_test_workers")

    def run(*tasks, processes=1, stop_after=None):
        reports = []
        results = run_tasks(
            work.act,
            tasks,
            processes=processes,
            on_report=reports.append,
            should_stop=lambda: stop_after is not None and len(reports) >= stop_after,
        )
        return list(results), reports

    return run


def test_tasks_are_shared_by_processes(run):
    results, reports = run("a", "b", "nothing", "c", processes=2)
    assert sorted(results) == ["a done", "b done", "c done"]
    assert sorted(task for task, _ in reports) == ["a", "b", "c", "nothing"]
    assert len({pid for _, pid in reports} - {os.getpid()}) in (1, 2)
    assert run() == ([], [])


def test_errors_reach_the_caller(run):
    with pytest.raises(DataError, match="odd data"):
        run("refuse")
    with pytest.raises(ZeroDivisionError):
        run("divide")


def test_a_killed_worker_is_an_error_and_no_other_one_is_left(run):
    with pytest.raises(SymcereError, match=r"was killed .*--processes"):
        run("wait", "die", processes=2)
    assert multiprocessing.active_children() == []
    # Where all were to stop, a signal that a worker did not survive is no news.
    assert run("die", stop_after=1)[0] == []


def test_a_stop_reaches_all_and_starts_none(run):
    results, reports = run("wait", "wait", "a", "b", "c", processes=2, stop_after=2)
    assert results == ["stopped", "stopped"]
    assert [task for task, _ in reports] == ["wait", "wait"]


def test_a_worker_leaves_the_first_signal_to_its_parent(run):
    assert run("survive")[0] == ["survive done"]


def test_workers_end_with_a_parent_that_was_killed(run, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with subprocess.Popen(
        [sys.executable, path], env=environment, stdout=subprocess.PIPE
    ) as parent:
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        parent.send_signal(signal.SIGKILL)
    for _ in range(500):
        if not any(map(_is_alive, pids)):
            break
        time.sleep(0.02)
    assert not any(map(_is_alive, pids))


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("set_by_user", "expected"), [(None, "0.450"), ("0.2", "0.2")])
def test_processes_share_the_memory_of_an_accelerator(run, monkeypatch, set_by_user, expected):
    name = "XLA_PYTHON_CLIENT_MEM_FRACTION"
    monkeypatch.delenv(name, raising=False)
    if set_by_user:
        monkeypatch.setenv(name, set_by_user)
    assert run("memory", processes=2)[0] == [expected]
