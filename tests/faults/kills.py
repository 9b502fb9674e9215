"""Breaks every binary that works for long, again and again, and writes what came of it.

  python tests/faults/kills.py --kills=20 --update=docs/faults.md

Each fault is injected into a real process; then the same command is given again, until the run has
ended, and its result is compared, byte by byte, with that of a run without faults. Takes about a
quarter of an hour on two cores. Full disks need the right to mount a file system.
"""

import signal
import sys
import tempfile
from pathlib import Path

from absl import app, flags

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import tables

from tests.faults import faults, moves
from tests.faults.faults import Bench, Outcome
from tests.faults.programs import programs

_KILLS = flags.DEFINE_integer("kills", 20, "SIGKILLs of each binary, spread over its run", 1)
_TERMS = flags.DEFINE_integer("terms", 5, "SIGTERMs of each binary", 0)
_DAMAGES = flags.DEFINE_integer("damages", 10, "damaged checkpoints of each kind", 0)
_BINARIES = flags.DEFINE_list("binaries", ["prepare", "encode", "train", "recommend"], "which")
_OTHER_PYTHON = flags.DEFINE_string(
    "other_python", None, "another Python, with JAX: checkpoints are moved there and back"
)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")

HEADER = ("binary", "fault", "times", "how it ended, then went on", "anything lost")


def outcomes(folder: Path) -> list[Outcome]:
    """Injects all faults."""
    found = []
    made = programs(folder / "given")
    for name in _BINARIES.value:
        bench = Bench.of(made[name], folder)
        say(f"{name}: {bench.seconds:.1f} s without faults")
        found.append(faults.signals(bench, signal.SIGKILL, _KILLS.value, say))
        if _TERMS.value:
            found.append(faults.signals(bench, signal.SIGTERM, _TERMS.value, say))
        if name == "train" and _DAMAGES.value:
            for how in ("truncated", "flipped byte"):
                found.append(faults.damaged_checkpoints(bench, _DAMAGES.value, how, say))
            found.append(moves.to_other_devices(bench, (8, 1, 2, 8), say))
            if _OTHER_PYTHON.value:
                pythons = (sys.executable, _OTHER_PYTHON.value, sys.executable)
                found.append(moves.to_other_pythons(bench, pythons, say))
        if faults.can_mount():
            found.append(faults.full_disk(bench, (0.1, 0.5, 0.95), say))
    return found


def table(found: list[Outcome]) -> str:
    """The outcomes in Markdown."""
    rows = []
    for outcome in found:
        ends = ", ".join(f"{end} ({n})" for end, n in sorted(outcome.ends.items()))
        lost = "; ".join(outcome.lost) or "nothing"
        rows.append([outcome.binary, outcome.fault, str(outcome.times), ends, lost])
    return "\n".join(
        "| " + " | ".join(cells) + " |"
        for cells in (HEADER, ["---", "---", "---:", "---", "---"], *rows)
    )


def _rows(path: Path) -> list[str]:
    """The rows of the table that a file has; those of other binaries stay there."""
    found = path.read_text(encoding="utf-8").partition("<!-- faults -->")[2]
    return found.partition("<!-- /faults -->")[0].strip().splitlines()[2:]


def say(text: str) -> None:
    """Shows progress."""
    print(text, file=sys.stderr, flush=True)


def main(_: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = outcomes(Path(folder))
    text = table(found)
    print(text)
    if _UPDATE.value:
        path = Path(_UPDATE.value)
        others = [row for row in _rows(path) if row.split()[1] not in _BINARIES.value]
        tables.replace(path, "faults", "\n".join([text, *others]))
    sys.exit(any(outcome.lost for outcome in found))


if __name__ == "__main__":
    app.run(main)
