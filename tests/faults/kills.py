"""Breaks every command that works for long, again and again, and writes what came of it.

  python tests/faults/kills.py --kills=20 --update=docs/faults.md

Each fault is injected into a real process. Then the same command runs again until it finishes, and
its result is compared, byte by byte, with that of a run without faults. Takes about half an hour on
two cores. Full disks need the right to mount a file system.
"""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags, logging

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import tables
from tests.faults import faults
from tests.faults.faults import Outcome
from tests.faults.programs import Program, programs

COMMANDS = (
    *("prepare", "encode", "train", "fit", "recommend", "export", "tune", "ablate", "baselines"),
)

_KILLS = flags.DEFINE_integer("kills", 20, "SIGKILLs of each command, spread over its run", 1)
_TERMS = flags.DEFINE_integer("terms", 5, "SIGTERMs of each command; SIGINTs of Python's fit", 0)
_DAMAGES = flags.DEFINE_integer("damages", 10, "damaged checkpoints of each kind", 0)
_COMMANDS = flags.DEFINE_list("commands", list(COMMANDS), "which")
_OTHER_PYTHON = flags.DEFINE_string(
    "other_python",
    None,
    "another Python, with JAX: train moves there and back, prepare reruns there",
)

FILL_DISKS = ("prepare", "encode", "train", "recommend", "export")

HEADER = ("command", "fault", "times", "how it ended at the fault", "anything lost")


def inject(program: Program) -> list[Outcome]:
    """Injects all faults into a command."""
    program.repeat()
    say(f"{program.name}: {program.seconds:.1f} s without faults")
    outcomes = [faults.signals(program, signal.SIGKILL, _KILLS.value, say)]
    if _TERMS.value:
        stop = signal.SIGINT if program.name == "fit" else signal.SIGTERM
        outcomes.append(faults.signals(program, stop, _TERMS.value, say))
    if program.name == "prepare" and _OTHER_PYTHON.value:
        moved = faults.signals(program, signal.SIGKILL, 2, say, python=_OTHER_PYTHON.value)
        moved.fault = f"SIGKILL; {versions(sys.executable, _OTHER_PYTHON.value)}"
        outcomes.append(moved)
    if program.name == "train" and _DAMAGES.value:
        for how in ("truncated", "flipped byte"):
            outcomes.append(faults.damaged_checkpoints(program, _DAMAGES.value, how, say))
        devices = [(sys.executable, count) for count in (8, 1, 2, 8)]
        outcomes.append(faults.moves(program, "devices: 8 → 1 → 2 → 8", devices, say))
        if _OTHER_PYTHON.value:
            pythons = (sys.executable, _OTHER_PYTHON.value, sys.executable)
            stages = [(python, 1) for python in pythons]
            outcomes.append(faults.moves(program, versions(*pythons), stages, say))
    if program.name in FILL_DISKS and faults.can_mount():
        outcomes.append(faults.full_disk(program, (0.1, 0.5, 0.95), say))
    return outcomes


def versions(*pythons: str) -> str:
    code = "import sys, jax; print('%d.%d' % sys.version_info[:2], jax.__version__)"
    shown = [subprocess.check_output([python, "-c", code], text=True) for python in pythons]
    return f"Python, JAX: {' → '.join(map(str.strip, shown))}"


def row(outcome: Outcome) -> list[str]:
    ends = ", ".join(f"{end} ({n})" for end, n in sorted(outcome.ends.items()))
    lost = "; ".join(outcome.lost) or "nothing"
    return [outcome.command, outcome.fault, str(outcome.times), ends, lost.replace("\n", " ")]


def update_table(outcomes: list[Outcome]) -> None:
    """Shows the rows of a command; in files of --update, they replace its earlier rows."""
    rows = [row(outcome) for outcome in outcomes]
    for path in map(Path, tables.UPDATE.value):
        table = path.read_text(encoding="utf-8").partition("<!-- faults -->")[2]
        lines = table.partition("<!-- /faults -->")[0].strip().splitlines()[2:]
        earlier = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        rows += [cells for cells in earlier if cells[0] != outcomes[0].command]
    rows.sort(key=lambda cells: COMMANDS.index(cells[0]))
    records = [dict(zip(HEADER, cells, strict=True)) for cells in rows]
    tables.publish(tables.markdown(records, n_words=5), "faults")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(_: list[str]) -> None:
    logging.set_verbosity(logging.ERROR)  # Orbax tells of every step
    lost = False
    with tempfile.TemporaryDirectory() as folder:
        made = programs(Path(folder))
        for name in _COMMANDS.value:
            outcomes = inject(made[name])
            update_table(outcomes)
            lost |= any(outcome.lost for outcome in outcomes)
    sys.exit(lost)


if __name__ == "__main__":
    app.run(main)
