r"""New reviews: a warm start against training anew, by score and by CPU time.

  python benchmarks/incremental.py --flagfile=configs/tripadvisor.flags \
    --input=reviews.jsonl.gz --workdir=runs/incremental --update=docs/serving.md

The input's rows carry a split. Those of a twentieth of the users, and a tenth of the other training
rows, come later: the rest is prepared and trained on; then they are appended (prepare.py --append),
and the grown folder is trained on by a warm start (--patience=2), and anew. A third run also
prepares all rows anew, so that the text encoder is fitted on all of them. CPU seconds are those of
the processes, so that a busy machine does not count; what is complete is not done again. Flags that
this program does not know are handed to launch/train.py.
"""

import gzip
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import tables
from absl import app, flags

from symcere_jax.files import write_json

_INPUT = flags.DEFINE_string("input", None, "JSON lines with a split, gzipped", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table 'incremental' is replaced")

HEADER = (
    "run",
    "prepare, CPU s",
    "train, CPU s",
    "epochs",
    "valid ndcg@10",
    "test ndcg@10",
    "test recall@10",
)
ROOT = Path(__file__).resolve().parents[1]


def divide(source: Path, folder: Path) -> None:
    """Writes earlier.jsonl and later.jsonl."""
    rng = np.random.default_rng(0)
    with gzip.open(source, "rt", encoding="utf-8") as file:
        lines = file.readlines()
    rows = [json.loads(line) for line in lines]
    users = sorted({row["user_id"] for row in rows})
    late_users = set(rng.choice(users, len(users) // 20, replace=False))
    late = [
        row["user_id"] in late_users or (row["split"] == "train" and rng.random() < 0.1)
        for row in rows
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name, wanted in (("earlier", False), ("later", True)):
        part = [line for line, is_late in zip(lines, late, strict=True) if is_late == wanted]
        (folder / f"{name}.jsonl").write_text("".join(part), encoding="utf-8")


def timed(done: Path, script: str, *arguments: object) -> float:
    """Runs a binary unless that is done; returns the CPU seconds that it took."""
    if not done.exists():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, str(ROOT / script), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        write_json(done, seconds)
    return json.loads(done.read_text())


def train_and_score(
    name: str, folder: Path, data: Path, prepared: float, train_flags: list[str], *more: str
) -> list[str]:
    """A row of the table."""
    run = folder / name.replace(" ", "_")
    where = (f"--dataset={data}", f"--workdir={run}")
    label = folder / f"{run.name}.seconds"
    seconds = timed(label, "launch/train.py", *train_flags, *where, *more)
    timed(folder / f"{run.name}.scored", "launch/evaluate.py", *where, "--nocold_start")
    metrics = json.loads((run / "metrics_test.json").read_text())
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [
        name,
        f"{prepared:.0f}",
        f"{seconds:.0f}",
        str(int(max(record["epoch"] for record in log))),
        f"{max(record['ndcg@10'] for record in log):.4f}",
        f"{metrics['ndcg@10']:.4f}",
        f"{metrics['recall@10']:.4f}",
    ]


def main(arguments: list[str]) -> None:
    """Runs everything and shows the table."""
    folder = Path(_WORKDIR.value)
    if not (folder / "later.jsonl").exists():
        divide(Path(_INPUT.value), folder)
    rest = arguments[1:]
    data, anew = folder / "data", folder / "data_anew"
    table = ("--source=table", "--split=predefined")
    earlier = timed(
        folder / "earlier.prepared",
        "data_prep/prepare.py",
        *table,
        f"--input={folder / 'earlier.jsonl'}",
        f"--output={data}",
    )
    rows = []
    if not (folder / "appended.prepared").exists():
        train_and_score("earlier reviews alone", folder, data, earlier, rest)
    appended = timed(
        folder / "appended.prepared",
        "data_prep/prepare.py",
        *table,
        "--append",
        f"--input={folder / 'later.jsonl'}",
        f"--output={data}",
    )
    start = f"--warm_start={folder / 'earlier_reviews_alone'}"
    rows.append(train_and_score("warm start", folder, data, appended, rest, start, "--patience=2"))
    rows.append(train_and_score("trained anew", folder, data, appended, rest))
    prepared = timed(
        folder / "anew.prepared",
        "data_prep/prepare.py",
        *table,
        f"--input={_INPUT.value}",
        f"--output={anew}",
    )
    rows.append(train_and_score("prepared and trained anew", folder, anew, prepared, rest))
    text = tables.markdown(HEADER, rows)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "incremental", text)


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
