r"""What a larger batch saves in time, and whether it costs quality: scores by batch size.

  python benchmarks/batches.py --dataset=data/tripadvisor --workdir=runs/batches/tripadvisor \
    --batch_sizes=256,1024,0,8192 --seeds=3 --label=batches_tripadvisor --update=docs/speed.md

Each size is trained once a seed by launch/train.py, in WORKDIR/SIZE/seed_N; flags that this program
does not know are handed to it. A size of 0 is the default. The score is that on the validation
split, by which training chooses the epoch; the test split is not read. Sizes are compared with the
first one, paired over users, by a permutation test with Holm's correction. Seconds are those
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
from symcere_jax.training.checkpoint import Checkpoints

from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC
from symcere_jax.files import write_json
from symcere_jax.study.comparison import RunScores, compare_runs
from symcere_jax.training.metric_log import read_metric_log

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
        where = [f"--dataset={_DATASET.value}", f"--workdir={folder}"]
        for arguments in (
            ["train.py", *train_flags, *where, f"--batch_size={size}", f"--seed={seed}"],
            ["evaluate.py", *where, "--split=valid"],
        ):
            command = [sys.executable, str(LAUNCH / arguments[0]), *arguments[1:]]
            subprocess.run(command, check=True, stdout=sys.stderr)
        epochs = read_metric_log(folder)
        metadata = Checkpoints(folder).metadata()
        found = {
            "batch_size": metadata.batch_size,
            "steps": metadata.steps_per_epoch,
            "seconds": float(np.median(np.diff([epoch["seconds"] for epoch in epochs]))),
            "best_epoch": metadata.progress.best_step // metadata.steps_per_epoch,
        }
        write_json(record, found)
    return json.loads(record.read_text())


def row(size: int, of_seeds: list[dict[str, float]], scores: RunScores, first: float) -> list[str]:
    """A row of the table: means over the seeds, and the gain over the first row's score."""
    values = {name: np.mean([one[name] for one in of_seeds]) for name in of_seeds[0]}
    spread = "" if scores.seed_std is None else f" ± {scores.seed_std:.4f}"
    gain = ""
    if scores.test is not None and first > 0:
        gain = f"{scores.test.difference / first:+.1%} (p = {scores.test.p_permutation_holm:.2g})"
    return [
        f"{of_seeds[0]['batch_size']:,}" + (", default" if size == 0 else ""),
        str(of_seeds[0]["steps"]),
        f"{values['seconds']:.1f}",
        f"{values['best_epoch']:.0f}",
        f"{scores.mean:.4f}{spread}",
        gain,
    ]


def main(arguments: list[str]) -> None:
    """Runs what is missing and shows the table."""
    dataset = ReviewDataset.load(_DATASET.value)
    if len(dataset.valid) == 0:
        sys.exit(f"error: {_DATASET.value} has no validation split to score: prepare it with one")
    seeds, sizes = range(_SEEDS.value), list(map(int, _SIZES.value))
    if len(set(sizes)) < max(len(sizes), 2):
        sys.exit("error: --batch_sizes must name two sizes or more, each once")
    found = [[run(size, seed, arguments[1:]) for seed in seeds] for size in sizes]
    folders = [Path(_WORKDIR.value) / str(size) for size in sizes]
    scores = compare_runs(folders, dataset, "valid", seeds=seeds).runs
    first = scores[0].mean
    rows = [row(*of_size, first) for of_size in zip(sizes, found, scores, strict=True)]
    header = ["batch size", "steps an epoch", "s an epoch", "best epoch"]
    header += [f"valid {PRIMARY_METRIC}, seeds: {len(seeds)}", "against the first, over users"]
    text = tables.markdown(header, rows, 0)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), _LABEL.value, text)


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
