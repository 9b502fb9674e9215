r"""Trains with several seeds, scores the test split once a seed, and makes a table.

  python benchmarks/quality.py --flagfile=configs/tripadvisor.flags \
    --dataset=data/tripadvisor --workdir=runs/quality/tripadvisor --seeds=3 --update=README.md

Every seed is a run of launch/train.py and launch/evaluate.py, in WORKDIR/seed_N; flags that this
program does not know are handed to launch/train.py. Runs that are complete are not repeated. The
table is printed and, with --update, put between the marks of that name in a Markdown file.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from absl import app, flags
from marked_tables import replace_table

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_LABEL = flags.DEFINE_string("label", None, "marks of the table; default: name of the workdir")

METRICS = ("ndcg@10", "recall@10", "ndcg@20", "recall@20", "coverage@10", "popularity@10")
LAUNCH = Path(__file__).resolve().parents[1] / "launch"


def run_seed(seed: int, train_flags: list[str]) -> dict[str, float]:
    """Trains and evaluates one seed, unless that is done; returns its test metrics."""
    workdir = Path(_WORKDIR.value) / f"seed_{seed}"
    metrics = workdir / "metrics_test.json"
    if not metrics.exists():
        where = [f"--dataset={_DATASET.value}", f"--workdir={workdir}"]
        start = time.monotonic()
        for arguments in (
            ["train.py", *train_flags, *where, f"--seed={seed}"],
            ["evaluate.py", *where, "--split=test"],
        ):
            command = [sys.executable, str(LAUNCH / arguments[0]), *arguments[1:]]
            subprocess.run(command, check=True, stdout=sys.stderr)
        (workdir / "seconds.json").write_text(json.dumps(time.monotonic() - start))
    scores = json.loads(metrics.read_text())
    scores["seconds"] = json.loads((workdir / "seconds.json").read_text())
    return scores


def table(name: str, scores: list[dict[str, float]]) -> str:
    """A Markdown table: mean over the seeds ± standard deviation."""
    lines = [
        f"| {name}, test, {len(scores)} seeds | mean | ± over seeds |",
        "|---|---|---|",
    ]
    for metric in (*METRICS, "seconds"):
        values = np.array([score[metric] for score in scores])
        digits = 4 if values.mean() < 1 else 1
        spread = values.std(ddof=1) if len(values) > 1 else 0.0
        unit = " (train + evaluate)" if metric == "seconds" else ""
        lines.append(f"| {metric}{unit} | {values.mean():.{digits}f} | {spread:.{digits}f} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Runs the seeds and shows the table."""
    scores = [run_seed(seed, arguments[1:]) for seed in range(_SEEDS.value)]
    text = table(scores[0]["dataset"], scores)  # type: ignore[arg-type]
    print(text)
    if _UPDATE.value:
        replace_table(Path(_UPDATE.value), _LABEL.value or Path(_WORKDIR.value).name, text)


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
