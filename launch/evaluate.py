r"""Scores a trained model: full ranking of the whole catalogue for every user.

  python launch/evaluate.py --workdir=runs/shop --dataset=data/shop --split=test

It needs the checkpoint and the prepared folder, nothing else of the run. Items that a user
interacted with in training (for the test also in validation) are not recommended again. Prints a
table; writes metrics_<split>.json and per_user_<split>.npz into the workdir.
"""

import sys
from pathlib import Path
from typing import cast

from absl import flags
from rich.console import Console
from tqdm import tqdm

from launch import cli
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import HeldOutSplit, evaluate
from symcere_jax.models import score_block
from symcere_jax.reporting.scores import metrics_table, write_scores
from symcere_jax.training import load_embeddings

_DATASET = flags.DEFINE_string(
    "dataset", None, "prepared folder that the model was trained on", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_SPLIT = flags.DEFINE_enum(
    "split", "test", ("valid", "test"), "which held-out interactions to score"
)
_KS = flags.DEFINE_multi_integer(
    "k", [5, 10, 20, 50], "cut-off of the metrics; give it several times for several", 1
)


def main() -> None:
    """Scores the best checkpoint and prints the metrics."""
    dataset = ReviewDataset.load(_DATASET.value)
    workdir = Path(_WORKDIR.value)
    embeddings, metadata = load_embeddings(workdir, dataset)
    with tqdm(unit="user", disable=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        evaluation = evaluate(
            score_block,
            embeddings,
            dataset,
            cast(HeldOutSplit, _SPLIT.value),
            ks=sorted(set(_KS.value)),
            progress=show,
        )
    paths = write_scores(evaluation, workdir, _SPLIT.value, dataset, metadata.progress.best_step)
    title = f"{dataset.name}, {_SPLIT.value}: {len(evaluation.users):,} users"
    Console().print(metrics_table(evaluation.metrics, title))
    for path in paths:
        print(path)


def run() -> None:
    """The installed command."""
    cli.run(main)


if __name__ == "__main__":
    run()
