r"""Trains with several seeds, scores the test split once a seed, and makes a table.

  python benchmarks/quality.py --flagfile=configs/tripadvisor.flags \
    --dataset=data/tripadvisor --workdir=runs/quality/tripadvisor --seeds=3 --update=README.md

Every seed is a run of launch/train.py and launch/evaluate.py, in WORKDIR/seed_N; flags that this
program does not know are handed to launch/train.py. Runs that are complete are not repeated. The
table is printed and, with --update, put between the marks of that name in a Markdown file.
"""

from pathlib import Path

import numpy as np
import tables
from absl import app, flags
from seeds import run_seed

from symcere_jax.evaluation import SHOWN_METRICS

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_LABEL = flags.DEFINE_string("label", None, "marks of the table; default: name of the workdir")

METRICS = (*SHOWN_METRICS, "coverage@10", "popularity@10")


def table(name: str, scores: list[dict]) -> str:
    """A Markdown table: mean over the seeds ± standard deviation."""
    lines = [
        f"| {name}, test, seeds: {len(scores)} | mean | ± over seeds |",
        "|---|---|---|",
    ]
    for metric in (*METRICS, "seconds"):
        values = np.array([score[metric] for score in scores])
        digits = 4 if values.mean() < 1 else 1
        spread = f"{values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
        unit = " (train + evaluate)" if metric == "seconds" else ""
        lines.append(f"| {metric}{unit} | {values.mean():.{digits}f} | {spread} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Runs the seeds and shows the table."""
    where = {"dataset": Path(_DATASET.value), "workdir": Path(_WORKDIR.value)}
    scores = [run_seed(seed, arguments[1:], **where) for seed in range(_SEEDS.value)]
    text = table(scores[0]["dataset"], scores)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), _LABEL.value or Path(_WORKDIR.value).name, text)


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
