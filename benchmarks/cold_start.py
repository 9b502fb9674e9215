r"""Quality on new items and new users, beside popularity and text kNN, over seeds.

  python benchmarks/cold_start.py --flagfile=configs/tripadvisor.flags \
    --input=reviews.jsonl.gz --workdir=runs/cold_start --seeds=3 --update=docs/serving.md

For --split=cold_item and cold_user and each seed (of the split and of the training): a run of
data_prep/prepare.py, launch/train.py and launch/evaluate.py. Flags that this program does not know
are handed to launch/train.py. What is complete is not done again. Gains are in NDCG@10, with the
standard deviation over seeds.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import tables
from absl import app, flags

from symcere_jax.evaluation import SHOWN_METRICS

_INPUT = flags.DEFINE_string("input", None, "table of reviews", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", 1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table 'cold_start' is replaced")

POLICIES = ("cold_item", "cold_user")
HEADER = ("split", "task", "method", "users", *SHOWN_METRICS)
ROOT = Path(__file__).resolve().parents[1]


def run_seed(policy: str, seed: int, train_flags: list[str]) -> dict[str, dict[str, dict]]:
    """Task -> method -> metrics of one seed; prepared, trained and scored unless that is done."""
    folder = Path(_WORKDIR.value) / policy / f"seed_{seed}"
    result = folder / "run" / "cold_start_test.json"
    where = [f"--dataset={folder / 'data'}", f"--workdir={folder / 'run'}"]
    commands = []
    if not (folder / "data").exists():
        commands.append(
            [
                "data_prep/prepare.py",
                "--source=table",
                f"--input={_INPUT.value}",
                f"--output={folder / 'data'}",
                f"--split={policy}",
                f"--seed={seed}",
            ]
        )
    if not result.exists():
        commands.append(["launch/train.py", *train_flags, *where, f"--seed={seed}"])
        commands.append(["launch/evaluate.py", *where, "--split=test"])
    for script, *arguments in commands:
        command = [sys.executable, str(ROOT / script), *arguments]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return json.loads(result.read_text())["tasks"]


def rows_of(policy: str, seeds: list[dict[str, dict[str, dict]]]) -> list[list[str]]:
    """Rows of the table: means over seeds ± standard deviation."""
    rows = []
    for task in seeds[0]:
        if not all(task in seed for seed in seeds):
            continue
        for method in seeds[0][task]:
            found = [seed[task][method] for seed in seeds]
            cells = []
            for metric in SHOWN_METRICS:
                values = np.array([metrics[metric] for metrics in found])
                spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
                cells.append(f"{values.mean():.4f}{spread}")
            users = np.mean([metrics["n_users"] for metrics in found])
            rows.append([policy, task, method, f"{users:,.0f}", *cells])
    return rows


def main(arguments: list[str]) -> None:
    """Runs the seeds and shows the table."""
    found: dict[str, list[dict]] = {policy: [] for policy in POLICIES}
    for seed in range(_SEEDS.value):
        for policy in POLICIES:
            found[policy].append(run_seed(policy, seed, arguments[1:]))
    rows = [row for policy, seeds in found.items() for row in rows_of(policy, seeds)]
    text = tables.markdown(HEADER, rows, 3)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "cold_start", text)


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
