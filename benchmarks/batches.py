r"""What a larger batch saves in time, and whether it costs quality: scores by batch size.

  python benchmarks/batches.py --dataset=data/tripadvisor --workdir=runs/batches/tripadvisor \
    --batch_sizes=256,1024,0,8192 --seeds=3 --label=batches_tripadvisor --update=docs/speed.md

Each size is trained once a seed by launch/train.py, in WORKDIR/SIZE/seed_N; flags that this program
does not know are handed to it. A size of 0 is the default. The score is the best one on the
validation split, by which training chooses the epoch; the test split is not read. Seconds are those
between two epochs, validation included, the median. Runs that are complete are not repeated.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import tables
from absl import app, flags
from seeds import LAUNCH

from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC
from symcere_jax.files import write_json
from symcere_jax.reporting.metric_log import read_metric_log
from symcere_jax.training.checkpoint import Checkpoints

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SIZES = flags.DEFINE_list("batch_sizes", ["256", "1024", "0", "8192"], "interactions a step")
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_LABEL = flags.DEFINE_string("label", "batches", "marks of the table")


def run(size: int, seed: int, train_flags: list[str]) -> dict[str, float]:
    """Trains with one batch size and one seed, unless that is done; what became of it."""
    folder = Path(_WORKDIR.value) / str(size) / f"seed_{seed}"
    record = folder / "batches.json"
    if not record.exists():
        command = [sys.executable, str(LAUNCH / "train.py"), *train_flags]
        command += [f"--dataset={_DATASET.value}", f"--workdir={folder}"]
        command += [f"--batch_size={size}", f"--seed={seed}"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        epochs = read_metric_log(folder)
        metadata = Checkpoints(folder).metadata("latest")
        found = {
            "batch_size": metadata.batch_size,
            "steps": metadata.steps_per_epoch,
            "seconds": float(np.median(np.diff([epoch["seconds"] for epoch in epochs]))),
            "best_epoch": metadata.progress.best_step // metadata.steps_per_epoch,
            "score": metadata.progress.best_score,
        }
        write_json(record, found)
    return json.loads(record.read_text())


def row(size: int, of_seeds: list[dict[str, float]]) -> list[str]:
    """A row of the table: means over the seeds, of the score with its standard deviation."""
    values = {name: np.array([one[name] for one in of_seeds]) for name in of_seeds[0]}
    spread = f" ± {values['score'].std(ddof=1):.4f}" if len(of_seeds) > 1 else ""
    return [
        f"{of_seeds[0]['batch_size']:,}" + (", default" if size == 0 else ""),
        str(of_seeds[0]["steps"]),
        f"{values['seconds'].mean():.1f}",
        f"{values['best_epoch'].mean():.0f}",
        f"{values['score'].mean():.4f}{spread}",
    ]


def main(arguments: list[str]) -> None:
    """Runs what is missing and shows the table."""
    if len(ReviewDataset.load(_DATASET.value).valid) == 0:
        sys.exit(f"error: {_DATASET.value} has no validation split to score: prepare it with one")
    seeds = range(_SEEDS.value)
    rows = [
        row(size, [run(size, seed, arguments[1:]) for seed in seeds])
        for size in map(int, _SIZES.value)
    ]
    columns = ["batch size", "steps an epoch", "s an epoch", "best epoch"]
    text = tables.markdown([*columns, f"valid {PRIMARY_METRIC}, seeds: {len(seeds)}"], rows, 0)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), _LABEL.value, text)


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
