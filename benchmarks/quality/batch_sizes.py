r"""What a larger batch saves in time, and whether it costs quality: scores by batch size.

  python benchmarks/quality/batch_sizes.py --dataset=data/tripadvisor \
    --workdir=runs/batches/tripadvisor --batch_sizes=256,1024,default,8192 --seeds=3 \
    --label=batches_tripadvisor --update=docs/speed.md

Each size is trained once a seed by launch/train.py, in WORKDIR/SIZE/seed_N; flags that this program
does not know are handed to it. The score is that on the validation split, by which training chooses
the epoch; the test split is not read. Sizes are compared with the first one, paired over users, by
a permutation test with Holm's correction. Seconds are those between two epochs, validation
included, the median. Runs that are complete are not repeated.
"""

import sys
from pathlib import Path

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import binaries, tables
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC
from symcere_jax.study.comparison import compare_runs
from symcere_jax.training import Checkpoints
from symcere_jax.training.metric_log import read_metric_log

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the runs", required=True)
_SIZES = flags.DEFINE_list("batch_sizes", ["256", "1024", "default", "8192"], "interactions a step")
_SEEDS = flags.DEFINE_integer("seeds", 3, "number of seeds, from 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_LABEL = flags.DEFINE_string("label", "batches", "marks of the table")


def train(size: str, train_flags: list[str]) -> list[str]:
    """Trains each seed with a batch size, unless that is done; the first cells of the row."""
    seconds, best_epochs = [], []
    if size != "default":
        train_flags = [*train_flags, f"--batch_size={size}"]
    for seed in range(_SEEDS.value):
        run = Path(_WORKDIR.value) / size / f"seed_{seed}"
        arguments = [*train_flags, f"--seed={seed}"]
        binaries.train_and_score(run, Path(_DATASET.value), *arguments, split="valid")
        metadata = Checkpoints(run).metadata()
        seconds.append(np.median(np.diff([epoch["seconds"] for epoch in read_metric_log(run)])))
        best_epochs.append(metadata.progress.best_step // metadata.steps_per_epoch)
    return [
        f"{metadata.batch_size:,}" + (", default" if size == "default" else ""),
        str(metadata.steps_per_epoch),
        f"{np.mean(seconds):.1f}",
        f"{np.mean(best_epochs):.0f}",
    ]


def main(arguments: list[str]) -> None:
    """Runs what is missing and shows the table."""
    dataset = ReviewDataset.load(_DATASET.value)
    rows = [train(size, arguments[1:]) for size in _SIZES.value]
    folders = [Path(_WORKDIR.value) / size for size in _SIZES.value]
    scores = compare_runs(folders, dataset, "valid", seeds=range(_SEEDS.value)).runs
    for row, run in zip(rows, scores, strict=True):
        row.append(f"{run.mean:.4f}" + ("" if run.seed_std is None else f" ± {run.seed_std:.4f}"))
        gain, p = run.mean / scores[0].mean - 1, run.test and run.test.p_permutation_holm
        row.append(f"{gain:+.1%} (p = {p:.2g})" if run.test else "")
    header = ["batch size", "steps an epoch", "s an epoch", "best epoch"]
    header += [f"valid {PRIMARY_METRIC}, seeds: {_SEEDS.value}", "against the first, over users"]
    tables.publish(tables.markdown(header, rows, 0), _LABEL.value, _UPDATE.value)


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
