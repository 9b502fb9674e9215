r"""New reviews: a warm start against training anew, by score and by CPU time.

  python -m benchmarks.quality.incremental --input=reviews.jsonl.gz --workdir=runs/incremental \
    --update=docs/serving.md

The input's rows carry a split. Those of a twentieth of the users, and a tenth of the other training
rows, come later, by prepare.py --append. The grown folder is trained on by a warm start, and anew;
a third run prepares all rows anew, too. What is complete is not repeated.
"""

import gzip
import json
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.files import write_json
from symcere_jax.training.metric_log import read_metric_logs

_INPUT = flags.DEFINE_string("input", None, "JSON lines with a split, gzipped", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)


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


def timed(record: Path, script: str, *arguments: object) -> float:
    """Runs a binary unless there is a record of it; returns the CPU seconds that it took."""
    if not record.exists():
        write_json(record, binaries.run(script, *arguments).cpu_seconds)
    return json.loads(record.read_text())


def prepare(name: str, reviews: Path, output: Path, *more: str) -> float:
    """Prepares reviews unless that is done; returns CPU seconds."""
    record = Path(_WORKDIR.value) / f"{name}.prepared"
    places = [f"--input={reviews}", f"--output={output}"]
    source = ["--source=table", "--split=predefined"]
    return timed(record, "data_prep/prepare.py", *source, *places, *more)


def train(name: str, data: Path, prepared: float, *more: str) -> dict[str, str]:
    """Trains and scores unless that is done; returns a row of the table."""
    run = Path(_WORKDIR.value) / name.replace(" ", "_")
    places = [f"--dataset={data}", f"--workdir={run}"]
    seconds = timed(run.with_suffix(".seconds"), "launch/train.py", *places, *more)
    metrics = {}
    for split in ("valid", "test"):
        record = run.with_suffix(f".{split}")
        timed(record, "launch/evaluate.py", *places, f"--split={split}", "--nocold_start")
        metrics[split] = json.loads((run / f"metrics_{split}.json").read_text())
    return {
        "run": name,
        "prepare, CPU s": f"{prepared:.0f}",
        "train, CPU s": f"{seconds:.0f}",
        "epochs": str(sum(len(log) - 1 for log in read_metric_logs(run).values())),
        "valid ndcg@10": f"{metrics['valid']['ndcg@10']:.4f}",
        "test ndcg@10": f"{metrics['test']['ndcg@10']:.4f}",
        "test recall@10": f"{metrics['test']['recall@10']:.4f}",
    }


def main() -> None:
    """Runs everything and shows the table."""
    folder = Path(_WORKDIR.value)
    data, data_anew = folder / "data", folder / "data_anew"
    if not (folder / "later.jsonl").exists():
        divide(Path(_INPUT.value), folder)
    earlier = prepare("earlier", folder / "earlier.jsonl", data)
    if not (folder / "appended.prepared").exists():
        train("earlier reviews alone", data, earlier)
    appended = prepare("appended", folder / "later.jsonl", data, "--append")
    warm = [f"--warm_start={folder / 'earlier_reviews_alone'}", "--patience=2"]
    rows = [train("warm start", data, appended, *warm), train("trained anew", data, appended)]
    prepared = prepare("anew", Path(_INPUT.value), data_anew)
    rows.append(train("prepared and trained anew", data_anew, prepared))
    tables.publish(tables.markdown(rows), "incremental")


if __name__ == "__main__":
    startup.run(main)
