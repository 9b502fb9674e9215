"""Faults, and what comes of them: each is injected, then the same command runs to its end."""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.faults.programs import Program

KILLS_A_FOLDER = 5  # so many on top of one another, before the run may end


@dataclasses.dataclass
class Outcome:
    """What came of one kind of fault.

    Attributes:
        binary: that it was injected into.
        fault: what was done.
        times: how often.
        ends: how the binary ended at the fault -> how often.
        lost: what differs from a run without faults; empty: nothing.
    """

    binary: str
    fault: str
    times: int = 0
    ends: Counter[str] = dataclasses.field(default_factory=Counter)
    lost: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Bench:
    """A binary, its result without faults, and how long it takes.

    Attributes:
        program: the binary.
        folder: to work in.
        whole: its result without faults.
        seconds: from start to end, with programs compiled.
    """

    program: Program
    folder: Path
    whole: dict[str, str]
    seconds: float
    _used: int = 0

    @classmethod
    def of(cls, program: Program, folder: Path, *, twice: bool = True) -> "Bench":
        """Runs a binary without faults, unless it has; twice, to the same result."""
        bench = cls(program, folder, {}, program.seconds)
        start = time.monotonic()
        made = program.made or bench.run()
        bench.whole = program.result(made)
        if not program.made:
            bench.seconds = time.monotonic() - start
        if twice:
            start = time.monotonic()
            again = bench.run()
            bench.seconds = time.monotonic() - start
            assert program.result(again) == bench.whole, f"{program.name}: two runs differ"
        return bench

    def new_folder(self) -> Path:
        """A folder with what the binary needs."""
        self._used += 1
        place = self.folder / f"{self.program.name}_{self._used}"
        self.program.setup(place)
        return place

    def run(self) -> Path:
        """Runs it without faults in a new folder."""
        place = self.new_folder()
        self.program.finish(place)
        return place

    def compare(self, place: Path, outcome: Outcome) -> None:
        """Notes what differs from a run without faults, and removes the folder."""
        found = self.program.result(place)
        if found != self.whole:
            names = [
                n for n in found.keys() | self.whole.keys() if found.get(n) != self.whole.get(n)
            ]
            outcome.lost.append(", ".join(sorted(names)))
        shutil.rmtree(place)


def signals(
    bench: Bench, number: signal.Signals, times: int, say: Callable[[str], None]
) -> Outcome:
    """Sends a signal at moments spread over a run; then the same command goes on.

    Args:
        bench: the binary.
        number: SIGKILL or SIGTERM.
        times: how often it must hit a run at work.
        say: told of each.
    """
    outcome = Outcome(bench.program.name, number.name)
    moments = (np.arange(times) + 0.5) / times
    # Early and late ones take turns, so that each folder has both.
    moments = np.concatenate([moments[place::KILLS_A_FOLDER] for place in range(KILLS_A_FOLDER)])
    place = bench.new_folder()
    hits = 0
    left = list(moments)
    while left:
        moment, start = left[0] * bench.seconds, time.monotonic()
        with bench.program.start(place) as process:
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            _, err = process.communicate()
        # Done before, or at the last kill, so that it is refused to do it again.
        if process.returncode == 0 or (process.returncode == 1 and _is_done(bench, place)):
            say(f"{bench.program.name} had ended before {moment:.1f} s")
            if not hits:  # the machine is less busy now
                bench.seconds = time.monotonic() - start
            hits = KILLS_A_FOLDER
        else:
            left.pop(0)
            outcome.times += 1
            outcome.ends[_end(process.returncode, number)] += 1
            hits += 1
            say(f"{bench.program.name} {number.name} at {moment:.1f} s: {process.returncode}")
            if process.returncode not in (-number, 75):
                outcome.lost.append(f"status {process.returncode}: {err.splitlines()[-1:]}")
        if hits >= KILLS_A_FOLDER or not left:
            if process.returncode not in (0, 1) and not _is_done(bench, place):
                bench.program.finish(place)
            bench.compare(place, outcome)
            if left:
                place, hits = bench.new_folder(), 0
    return outcome


def _is_done(bench: Bench, place: Path) -> bool:
    """Whether the output was complete when the signal came: then doing it again is refused."""
    if bench.program.name == "prepare":
        return (place / "out").exists() and {path.name for path in place.iterdir()} <= {
            "out",
            ".out.lock",
        }
    if bench.program.name != "encode":
        return False
    return '"transformer"' in (place / "data" / "manifest.json").read_text()


def _end(status: int, number: signal.Signals) -> str:
    return {75: "exit status 75: preempted", -number: "killed"}.get(status, f"status {status}")


def damaged_checkpoints(bench: Bench, times: int, how: str, say: Callable[[str], None]) -> Outcome:
    """Damages files of the newest checkpoint of a run that was stopped; then training goes on.

    Args:
        bench: of train.
        times: how often, each another file or place.
        how: "truncated" or "flipped byte".
        say: told of each.
    """
    outcome = Outcome("train", f"newest checkpoint: {how}")
    stopped = _stopped_run(bench)
    rng = np.random.default_rng(0)
    newest = max((stopped / "run" / "checkpoints" / "latest").iterdir(), key=lambda p: int(p.name))
    files = [path for path in sorted(newest.rglob("*")) if path.is_file() and path.stat().st_size]
    for number in range(times):
        place = bench.folder / f"damaged_{number}"
        shutil.copytree(stopped, place)
        chosen = files[rng.permutation(len(files))[0]] if number else max(files, key=_size)
        path = place / chosen.relative_to(stopped)
        content = bytearray(path.read_bytes())
        at = int(rng.integers(len(content)))
        if how == "truncated":
            content = content[:at]
        else:
            content[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        with bench.program.start(place) as process:
            _, err = process.communicate()
        outcome.times += 1
        noticed = "is used instead" in err
        outcome.ends["the one before is used" if noticed else "harmless"] += 1
        say(f"{how} {path.relative_to(place)}: status {process.returncode}, noticed: {noticed}")
        if process.returncode:
            outcome.lost.append(f"status {process.returncode}: {err.splitlines()[-1:]}")
        bench.compare(place, outcome)
    shutil.rmtree(stopped)
    return outcome


def full_disk(bench: Bench, shares: Sequence[float], say: Callable[[str], None]) -> Outcome:
    """Lets a binary work on a disk that is too small; then there is room, and it runs again.

    Args:
        bench: the binary.
        shares: sizes of the disk, as shares of what the binary needs.
        say: told of each.
    """
    outcome = Outcome(bench.program.name, "full disk")
    place = bench.run()
    needed = sum(map(_size, (path for path in place.rglob("*") if path.is_file())))
    shutil.rmtree(place)
    for share in shares:
        given = bench.new_folder()
        held = sum(map(_size, (path for path in given.rglob("*") if path.is_file())))
        place = bench.folder / "disk"
        with _small_disk(place, held + int((needed - held) * share)) as enlarge:
            shutil.copytree(given, place, dirs_exist_ok=True)
            with bench.program.start(place) as process:
                _, err = process.communicate()
            errors = [line for line in err.splitlines() if line.startswith("error: ")]
            outcome.times += 1
            clear = (
                process.returncode == 1
                and len(errors) == 1
                and any(words in errors[0] for words in ("No space left", "is the disk full?"))
            )
            outcome.ends["one clear line" if clear else f"status {process.returncode}"] += 1
            say(f"{bench.program.name} on {share:.0%} of a disk: {process.returncode} {errors}")
            if not clear:
                outcome.lost.append(f"share {share}: {err[-500:]}")
            enlarge()
            if process.returncode:
                bench.program.finish(place)
            found = bench.program.result(place)
            if found != bench.whole:
                outcome.lost.append(f"share {share}: another result")
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
    """Whether this process may mount a file system."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


def _stopped_run(bench: Bench) -> Path:
    """A run of train that was stopped by SIGTERM after its second epoch, with two checkpoints."""
    place = bench.new_folder()
    with bench.program.start(place) as process:
        for line in process.stderr or ():
            if line.startswith("epoch   4"):
                process.terminate()
        process.communicate()
    assert process.returncode == 75, process.returncode
    return place


def _size(path: Path) -> int:
    return path.stat().st_size
