r"""Quality on new items and new users, beside popularity and text kNN, over seeds.

  python -m benchmarks.quality.cold_start_scores --input=reviews.jsonl.gz \
    --workdir=runs/cold_start --seeds=3 --update=docs/serving.md

Prepares, trains and evaluates for --split=cold_item and cold_user and each seed, of the split and
of the training. What is complete is not repeated.
"""

import json
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from symcere_jax.cli import startup
from symcere_jax.evaluation import SHOWN_METRICS

_INPUT = flags.DEFINE_string("input", None, "table of reviews", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", 1)

POLICIES = ("cold_item", "cold_user")

Scores = dict[str, dict[str, dict[str, float]]]  # task -> method -> metrics


def run_seed(policy: str, seed: int) -> Scores:
    """Prepares, trains and scores one seed, unless that is done."""
    folder = Path(_WORKDIR.value) / policy / f"seed_{seed}"
    data, workdir = folder / "data", folder / "run"
    if not data.exists():
        binaries.run(
            "data_prep/prepare.py",
            *("--source=table", f"--input={_INPUT.value}", f"--output={data}"),
            *(f"--split={policy}", f"--seed={seed}"),
        )
    binaries.train_and_score(workdir, data, f"--seed={seed}")
    return json.loads((workdir / "cold_start_test.json").read_text())["tasks"]


def policy_rows(policy: str, seeds: list[Scores]) -> list[dict[str, str]]:
    """Rows of a policy: means over seeds ± standard deviation."""
    rows = []
    for task in [task for task in seeds[0] if all(task in scores for scores in seeds)]:
        for method in seeds[0][task]:
            metrics = [scores[task][method] for scores in seeds]
            users = np.mean([values["n_users"] for values in metrics])
            row = {"split": policy, "task": task, "method": method, "users": f"{users:,.0f}"}
            for name in SHOWN_METRICS:
                row[name] = tables.mean_and_spread([values[name] for values in metrics])
            rows.append(row)
    return rows


def main() -> None:
    """Runs the seeds and shows the table."""
    rows = []
    for policy in POLICIES:
        seeds = [run_seed(policy, seed) for seed in range(_SEEDS.value)]
        rows += policy_rows(policy, seeds)
    tables.publish(tables.markdown(rows, 3), "cold_start")


if __name__ == "__main__":
    startup.run(main)
