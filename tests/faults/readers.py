"""Damages tables, prepares them, and counts what comes of it.

  python -m tests.faults.readers --damaged=300 --seed=0 --update=docs/faults.md

A table whose truth is known is written as some forty programs write it, and must be prepared to
exactly its rows. Then files are damaged. A damaged file must be refused in one line, or be prepared
to the rows that are still in it, as readers that are not ours find them.
"""

import argparse
import dataclasses
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks import tables
from symcere_jax.data import ReviewDataset
from tests import binaries
from tests.faults import oracle
from tests.faults.damage import DAMAGES
from tests.faults.oracle import Row
from tests.preparation.writers import COLUMNS, ESCAPED, WRITERS, truth

N_ROWS = 400  # more than the 64 KiB of JSON from which the fast parser learns
FAMILIES = {
    "CSV and TSV of Python": ("csv ", "unix", "unquoted"),
    "Excel": ("excel",),
    "Arrow and DuckDB, CSV": ("arrow", "duckdb csv"),
    "R and Spark, CSV": ("r_", "spark"),
    "JSON lines": ("json", "duckdb json"),
    "Parquet": ("parquet", "pandas", "duckdb parquet"),
    "packed": (".gz", ".zst", ".zip"),
}
EXACT, READ, ROW, FILE, SKIPPED, SILENT = OUTCOMES = (
    "all rows", "rows as others read them", "refused, row named", "refused, file named",
    "of those with a row: the others prepared", "lost or changed in silence",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Ending:
    """How preparing a file ended: its rows and how many were left out, or an error."""

    rows: Counter[Row]
    n_dropped: int = 0
    error: str = ""


def prepared(program: ModuleType, path: Path, room: Path, *more: str) -> Ending:
    """What prepare.py makes of a file; checks that an error is one line, and leaves nothing."""
    output = room / "prepared"
    run = binaries.run(
        program,
        *("--source=table", f"--input={path}", f"--output={output}", "--text_encoder=none"),
        *("--clean_texts=false", "--threads=1"),
        *("--drop_copies=false", "--max_bad_share=0.9", *more),
    )
    if run.status:
        assert run.status == 1 and list(room.iterdir()) == [room / "table"], run
        return Ending(Counter(), error=run.error)
    dataset = ReviewDataset.load(output)
    users, items = dataset.user_ids(), dataset.item_ids()
    rows = Counter(
        (users[row["user"]], items[row["item"]], row["rating"], row["timestamp"], row["text"])
        for row in dataset.reviews().to_pylist()
    )
    shutil.rmtree(output)
    return Ending(rows, sum(dataset.manifest.dropped.values()))


def latest(rows: Sequence[Row]) -> Counter[Row]:
    """The latest row of each pair."""
    pairs: dict[tuple, Row] = {}
    for row in rows:
        earlier = pairs.get(row[:2])
        if earlier is None or (row[3] or 0) >= (earlier[3] or 0):
            pairs[row[:2]] = row
    return Counter(pairs.values())


def touched(rows: Sequence[Row], content: bytes, encoding: str, start: int, end: int) -> set[Row]:
    """The rows of a file whose bytes a damage may have touched; they are known by their times."""
    places = {row: content.find(str(row[3]).encode(encoding)) for row in rows}
    here = sorted((place, row) for row, place in places.items() if place >= 0)
    found = set()
    for number, (_, row) in enumerate(here):
        before = here[number - 1][0] if number else 0
        after = here[number + 1][0] if number + 1 < len(here) else len(content)
        if before <= end and start <= after:
            found.add(row)
    return found


def judge(
    program: ModuleType, writer: str, table: Path, true: list[Row], rng: random.Random
) -> tuple[list[str], str]:
    """Damages one file of a table and prepares it; returns the outcomes and what was done."""
    folder = table if table.is_dir() else table.parent
    room = table.parents[1]
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name[0] not in "._"]
    path = rng.choice([file for file in files if file.stat().st_size])
    content = path.read_bytes()
    how = rng.choice(list(DAMAGES))
    damaged, start, end = DAMAGES[how](content, rng)
    path.write_bytes(damaged)
    quoting = ("--quoting=escaped",) if writer in ESCAPED else ()
    encoding = "utf-16-le" if writer == "excel, unicode text" else "utf-8"
    may_go = touched(true, content, encoding, start, end) if oracle.is_text(path) else set(true)
    ending = prepared(program, table, room, *quoting)
    readings = [
        latest([row for rows in parts for row in rows])
        for parts in _combined([list(oracle.readings(file, writer)) for file in files])
    ]
    outcome = _outcome(ending, true, may_go, readings, path)
    outcomes = [outcome]
    if outcome == ROW:
        rest = prepared(program, table, room, *quoting, "--on_bad_row=skip")
        if not rest.error:
            lost, new = Counter(true) - rest.rows, rest.rows - Counter(true)
            if end - start > 100:  # of rows whose bytes are gone, nobody knows how many they were
                lost -= Counter(may_go)
            is_counted = lost.total() <= new.total() + rest.n_dropped
            fits = is_counted and new.total() <= len(may_go)
            outcomes.append(SKIPPED if fits else SILENT)
            ending = rest if not fits else ending
    note = ending.error or f"lost {Counter(true) - ending.rows}, new {ending.rows - Counter(true)}"
    return outcomes, f"{writer}: {how} at {start}…{end} of {path.name}: {outcomes}\n  {note[:400]}"


def _combined(parts: list[list[list[Row]]]) -> list[list[list[Row]]]:
    """The files of a table, each in its first reading, and the last of those of the damaged one."""
    if not all(parts):
        return []
    return [[options[min(number, len(options) - 1)] for options in parts] for number in range(2)]


def _outcome(
    ending: Ending, true: list[Row], may_go: set[Row], readings: list[Counter[Row]], path: Path
) -> str:
    if ending.error:
        named = str(path.name) in ending.error or str(path.parent) in ending.error
        is_row = re.search(r"(line|row) \d+", ending.error)
        return (ROW if is_row else FILE) if named else SILENT
    if ending.rows == Counter(true):
        return EXACT
    lost, new = Counter(true) - ending.rows, ending.rows - Counter(true)
    pairs = {row[:2] for row in new}  # of which an earlier review may be left out
    is_touched = all(row in may_go or row[:2] in pairs for row in lost)
    return READ if ending.rows in readings and is_touched else SILENT


def family_of(writer: str, path: Path) -> str:
    """The family of a writer."""
    for family, starts in reversed(FAMILIES.items()):
        if path.suffix in starts or writer.startswith(starts):
            return family
    raise AssertionError(writer)


def count(
    writers: Sequence[str], n_damaged: int, seed: int, *, n_rows: int = N_ROWS, show: bool = False
) -> dict[str, Counter[str]]:
    """Family -> outcome -> number of files, and of "writers"; shows what was lost in silence."""
    counts = {family: Counter[str]() for family in FAMILIES}
    tables_of: dict[str, tuple[Path, list[Row], str]] = {}
    with tempfile.TemporaryDirectory() as folder, binaries.loaded("prepare") as program:
        room = Path(folder) / "room"
        for number, writer in enumerate(writers):
            source = Path(folder) / "sources" / str(number)
            source.mkdir(parents=True)
            rows = truth(seed, writer, n_rows)
            path = WRITERS[writer](source, rows)
            true = [tuple(row[name] for name in COLUMNS) for row in rows]
            family = family_of(writer, path)
            quoting = ("--quoting=escaped",) if writer in ESCAPED else ()
            whole = prepared(program, _copy(path, room), room, *quoting)
            counts[family]["writers"] += 1
            counts[family]["exact"] += (whole.rows, whole.n_dropped) == (Counter(true), 0)
            if whole.rows != Counter(true):
                lost, new = Counter(true) - whole.rows, whole.rows - Counter(true)
                print(f"{writer}: {whole.error} lost {lost} new {new}"[:600], file=sys.stderr)
            tables_of[writer] = path, true, family
        rng = random.Random(seed)
        for number in range(n_damaged):
            writer = writers[number % len(writers)]
            path, true, family = tables_of[writer]
            outcomes, note = judge(program, writer, _copy(path, room), true, rng)
            counts[family]["damaged"] += 1
            counts[family].update(outcomes)
            if show or SILENT in outcomes:
                print(f"{number}: {note}", file=sys.stderr)
    return counts


def _copy(path: Path, room: Path) -> Path:
    """A copy of what a writer wrote, alone in a room."""
    shutil.rmtree(room, ignore_errors=True)
    return shutil.copytree(path.parent, room / "table") / path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--damaged", type=int, default=300, help="damaged files")
    parser.add_argument("--seed", type=int, default=0, help="of the truth and the damage")
    parser.add_argument("--writers", nargs="*", default=list(WRITERS), help="which")
    parser.add_argument("--show", action="store_true", help="show how each file ended")
    parser.add_argument("--update", type=Path, help="Markdown file whose table is replaced")
    given = parser.parse_args()
    counts = count(given.writers, given.damaged, given.seed, show=given.show)
    columns = ("writers", "exact", "damaged", *OUTCOMES)
    counts["all"] = sum(counts.values(), Counter())
    rows = [[family, *(str(of[name]) for name in columns)] for family, of in counts.items()]
    header = ("written by", "writers", "read exactly", "damaged files", *OUTCOMES)
    table = tables.markdown([dict(zip(header, row, strict=True)) for row in rows])
    print(table)
    if given.update:
        tables.replace(given.update, "readers", table)
    whole = counts["all"]
    sys.exit(bool(whole[SILENT]) or whole["exact"] != whole["writers"])


if __name__ == "__main__":
    main()
