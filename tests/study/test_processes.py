"""Jobs in real processes; what they do is a module of its own, which a new process can import."""

import importlib
import multiprocessing
import os
from pathlib import Path

import pytest

from symcere_jax.errors import DataError, SymcereError
from symcere_jax.settings import Settings
from symcere_jax.study.processes import Job, run_jobs

WORK = """
import os, signal, time
from symcere_jax.errors import DataError

def tell_pid(job, report, should_stop):
    report(("pid of", job.workdir.name))
    return os.getpid()

def refuse_odd(job, report, should_stop):
    if int(job.workdir.name) % 2:
        raise DataError(f"data of {job.workdir.name} is odd")
    return job.config.seed

def divide(job, report, should_stop):
    return 1 / int(job.workdir.name)

def die(job, report, should_stop):
    os.kill(os.getpid(), signal.SIGKILL)

def wait_for_stop(job, report, should_stop):
    report("waiting")
    while not should_stop():
        time.sleep(0.01)
    return "stopped"

def survive_signals(job, report, should_stop):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    return "alive"

def tell_memory(job, report, should_stop):
    return os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"]
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "work_of_test_processes.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("work_of_test_processes")


def jobs(n):
    return [Job(Settings(seed=10 + row), Path("data"), Path(str(row))) for row in range(n)]


def test_each_job_has_a_process_and_a_result(work):
    reports = []
    ended = list(
        run_jobs(
            work.tell_pid,
            jobs(3),
            processes=2,
            on_report=lambda job, message: reports.append((job, message)),
        )
    )
    assert {job for job, _ in ended} == set(jobs(3))
    pids = {pid for _, pid in ended}
    assert len(pids) == 3
    assert os.getpid() not in pids
    assert {(job.workdir.name, *message) for job, message in reports} == {
        (name, "pid of", name) for name in "012"
    }


def test_jobs_are_taken_when_a_process_is_free(work):
    taken = []

    def lazily():
        for job in jobs(4):
            taken.append(job)
            yield job

    counts = [len(taken) for _ in run_jobs(work.tell_pid, lazily(), processes=2)]
    assert counts[0] == 2
    assert counts == sorted(counts)
    assert counts[-1] == 4


def test_an_error_of_the_user_is_an_outcome_and_the_others_go_on(work):
    outcomes = {
        job.workdir.name: result for job, result in run_jobs(work.refuse_odd, jobs(3), processes=1)
    }
    assert (outcomes["0"], outcomes["2"]) == (10, 12)
    assert isinstance(outcomes["1"], DataError)
    assert str(outcomes["1"]) == "data of 1 is odd"


def test_a_defect_is_raised_with_its_traceback(work):
    with pytest.raises(RuntimeError, match=r"(?s)process of 0:.*ZeroDivisionError: division"):
        list(run_jobs(work.divide, jobs(1), processes=1))


def test_a_killed_process_is_told_and_no_other_one_is_left(work):
    with pytest.raises(SymcereError, match=r"process of [01] was killed \(exit code -9; .*--proc"):
        list(run_jobs(work.die, jobs(3), processes=2))
    assert multiprocessing.active_children() == []


def test_a_report_can_stop_its_job(work):
    def first_job(job, message):
        assert message == "waiting"
        return job.workdir.name == "0"

    running = run_jobs(work.wait_for_stop, jobs(2), processes=2, on_report=first_job)
    job, outcome = next(running)
    assert (job.workdir.name, outcome) == ("0", "stopped")
    assert len(multiprocessing.active_children()) == 1  # the other one is still at work
    running.close()
    assert multiprocessing.active_children() == []


def test_a_stop_reaches_all_and_starts_none(work):
    reports = []
    ended = list(
        run_jobs(
            work.wait_for_stop,
            jobs(4),
            processes=2,
            on_report=lambda job, message: reports.append(job),
            should_stop=lambda: len(reports) == 2,
        )
    )
    assert sorted(job.workdir.name for job, _ in ended) == ["0", "1"]
    assert {outcome for _, outcome in ended} == {"stopped"}


def test_signals_of_the_terminal_are_left_to_the_first_process(work):
    assert [outcome for _, outcome in run_jobs(work.survive_signals, jobs(1), processes=1)] == [
        "alive"
    ]


@pytest.mark.parametrize(("set_by_user", "expected"), [(None, "0.450"), ("0.2", "0.2")])
def test_processes_share_the_memory_of_an_accelerator(work, monkeypatch, set_by_user, expected):
    name = "XLA_PYTHON_CLIENT_MEM_FRACTION"
    monkeypatch.delenv(name, raising=False)
    if set_by_user:
        monkeypatch.setenv(name, set_by_user)
    assert [share for _, share in run_jobs(work.tell_memory, jobs(1), processes=2)] == [expected]
