"""Faults, and what comes of them: each is injected, then the same command runs to its end."""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from symcere_jax.training.metric_log import read_metric_log
from tests.faults.programs import EXPERT, Program

KILLS_A_FOLDER = 5  # so many on top of one another, before the run may end

Say = Callable[[str], None]


@dataclasses.dataclass
class Outcome:
    """What came of one kind of fault.

    Attributes:
        command: that it was injected into.
        fault: what was done.
        times: how often.
        ends: how the command ended at the fault -> how often.
        lost: what differs from a run without faults; empty: nothing.
    """

    command: str
    fault: str
    times: int = 0
    ends: Counter[str] = dataclasses.field(default_factory=Counter)
    lost: list[str] = dataclasses.field(default_factory=list)

    def count(self, end: str) -> None:
        self.times += 1
        self.ends[end] += 1

    def compare(self, program: Program, folder: Path) -> None:
        if names := program.differences(folder):
            self.lost.append(", ".join(names))


def signals(
    program: Program, number: signal.Signals, times: int, say: Say, python: str = sys.executable
) -> Outcome:
    """Sends a signal at moments spread over a run; then the same command runs again.

    Args:
        program: the command.
        number: SIGKILL, SIGTERM or SIGINT.
        times: how often it must hit a run at work.
        say: shows progress.
        python: runs the command again.
    """
    assert program.expected  # it has run without faults
    outcome, duration = Outcome(program.name, number.name), program.seconds
    shares = (np.arange(times) + 0.5) / times
    # Early and late ones take turns, so that each folder has both.
    left = np.concatenate([shares[n::KILLS_A_FOLDER] for n in range(KILLS_A_FOLDER)]).tolist()
    while left:
        folder = program.new_folder()
        for place in range(KILLS_A_FOLDER):
            start = time.monotonic()
            status, err = _interrupt(program, folder, number, left[0] * duration)
            say(f"{program.name}, {number.name} at {left[0] * duration:.1f} s: status {status}")
            if status == 0:  # it was faster; without an earlier fault, the machine is less busy now
                duration = duration if place else time.monotonic() - start
                break
            left.pop(0)
            ends = {-number: "killed", 75: "exit status 75: preempted"}
            if number == signal.SIGINT:
                ends = {-number: "KeyboardInterrupt"}
            outcome.count(ends.get(status, f"status {status}"))
            if status not in ends:
                outcome.lost.append(f"status {status}: {err.splitlines()[-1:]}")
            if not left or program.is_done(folder):
                break
        if status != 0 and not program.is_done(folder):
            program.finish(folder, python=python)
        outcome.compare(program, folder)
        shutil.rmtree(folder)
    return outcome


def _interrupt(
    program: Program, folder: Path, number: signal.Signals, seconds: float
) -> tuple[int, str]:
    """Starts a command, and sends a signal unless it has ended by then; its status and stderr."""
    with program.start(folder) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        _, err = process.communicate()
    return process.returncode, err


def damaged_checkpoints(program: Program, times: int, how: str, say: Say) -> Outcome:
    """Damages files of the newest checkpoint of a run that was stopped; then training goes on.

    Args:
        program: train.
        times: how often, each another file or place.
        how: "truncated" or "flipped byte".
        say: shows progress.
    """
    outcome = Outcome(program.name, f"newest checkpoint: {how}")
    stopped = _stopped_run(program)
    rng = np.random.default_rng(0)
    newest = max(
        (stopped / "run" / EXPERT / "checkpoints").iterdir(), key=lambda path: int(path.name)
    )
    files = [path for path in sorted(newest.rglob("*")) if path.is_file() and path.stat().st_size]
    for number in range(times):
        folder = program.room / f"damaged_{number}"
        shutil.copytree(stopped, folder)
        chosen = rng.choice(files) if number else max(files, key=lambda path: path.stat().st_size)
        path = folder / chosen.relative_to(stopped)
        content = bytearray(path.read_bytes())
        place = int(rng.integers(len(content)))
        if how == "truncated":
            content = content[:place]
        else:
            content[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        with program.start(folder) as process:
            _, err = process.communicate()
        noticed = "is used instead" in err
        outcome.count("the one before is used" if noticed else "harmless")
        say(f"{how} {path.relative_to(folder)}: status {process.returncode}, noticed: {noticed}")
        if process.returncode:
            outcome.lost.append(f"status {process.returncode}: {err.splitlines()[-1:]}")
        else:
            outcome.compare(program, folder)
        shutil.rmtree(folder)
    shutil.rmtree(stopped)
    return outcome


def _stopped_run(program: Program) -> Path:
    """A folder of train, stopped by SIGTERM as soon as it had two checkpoints."""
    folder = program.new_folder()
    checkpoints = folder / "run" / EXPERT / "checkpoints"
    with program.start(folder) as process:
        while process.poll() is None and len(list(checkpoints.glob("[0-9]*/contents.json"))) < 2:
            time.sleep(0.05)
        process.terminate()
        process.communicate()
    assert process.returncode == 75, process.returncode
    return folder


def full_disk(program: Program, shares: Sequence[float], say: Say) -> Outcome:
    """Lets a command work on a disk that is too small; then there is room, and it runs again.

    Args:
        program: the command.
        shares: sizes of the disk, as shares of what the command needs.
        say: shows progress.
    """
    outcome = Outcome(program.name, "full disk")
    given = program.new_folder()
    before, after = _size(given), _size(program.reference)
    for share in shares:
        folder = program.room / "disk"
        with _small_disk(folder, before + int((after - before) * share)) as enlarge:
            shutil.copytree(given, folder, dirs_exist_ok=True)
            with program.start(folder) as process:
                _, err = process.communicate()
            errors = [line for line in err.splitlines() if line.startswith("error: ")]
            reasons = ("No space left", "disk is full", "is the disk full?")
            clear = process.returncode == 1 and len(errors) == 1
            clear = clear and any(reason in errors[0] for reason in reasons)
            outcome.count("one clear line" if clear else f"status {process.returncode}")
            say(f"{program.name} on {share:.0%} of a disk: {process.returncode} {errors}")
            if not clear:
                outcome.lost.append(f"share {share}: {err.splitlines()[-1:]}")
            enlarge()
            if process.returncode:
                program.finish(folder)
            outcome.compare(program, folder)
    shutil.rmtree(given)
    return outcome


@contextlib.contextmanager
def _small_disk(place: Path, n_bytes: int) -> Iterator[Callable[[], object]]:
    """Mounts a file system in memory of a size; gives what makes it larger."""
    place.mkdir()
    size = f"size={max(n_bytes, 1 << 16)}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "faults", place], check=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=1g", place], check=True)
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def can_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


def moves(program: Program, fault: str, stages: Sequence[tuple[str, int]], say: Say) -> Outcome:
    """Trains two epochs in each place in turn, to the scores of a run that never moved.

    Args:
        program: train.
        fault: what the places are.
        stages: Python and number of devices of each place.
        say: shows progress.
    """
    outcome = Outcome(program.name, fault)
    folder, stayed = program.new_folder(), program.new_folder()
    batch = "--batch_size=248"  # which eight devices share evenly
    for number, (python, n_devices) in enumerate(stages, start=1):
        more = (f"--epochs={2 * number}", batch, f"--cpu_devices={n_devices}")
        program.finish(folder, *more, python=python)
        say(f"{fault}: {number} of {len(stages)}")
    program.finish(stayed, f"--epochs={2 * len(stages)}", batch)
    logs = [read_metric_log(place / "run" / EXPERT) for place in (folder, stayed)]
    values = [[(record["ndcg@10"], record.get("loss", 0.0)) for record in log] for log in logs]
    same = np.shape(values[0]) == np.shape(values[1]) and np.allclose(*values, rtol=1e-3)
    for _ in stages[1:]:
        outcome.count("resumed, to the same scores" if same else "other scores")
    if not same:
        outcome.lost.append(f"scores: {values}")
    return outcome


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
