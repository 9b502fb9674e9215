r"""What neighbors are worth (--item_neighbors): the same trainings scored with and without them.

  python benchmarks/quality/neighbor_gain.py --workdir=runs/results --seeds=5 \
    --datasets=data/tripadvisor,data/gift_cards,data/magazines --update=docs/quality.md

Reads SymCERE's runs with the defaults, with text and without, that benchmarks/quality/results.py
left in WORKDIR. Each run chose its weight on the validation split when it ended.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import tables
from symcere_jax.cli import app as cli
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, HeldOutSplit, evaluate
from symcere_jax.models import Embeddings, score_block
from symcere_jax.training import load_model

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "of benchmarks/quality/results.py", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 5, "trainings of each, from seed 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")

RUNS = {"symcere": "text", "symcere_no_text": "no text"}
SPLITS: tuple[HeldOutSplit, ...] = ("valid", "test")


def score(embeddings: Embeddings, dataset: ReviewDataset) -> list[float]:
    """NDCG@10 without and with neighbors on validation, then the same on the test split."""
    without = dataclasses.replace(embeddings, user_neighbors=None, item_neighbors=None)
    return [
        evaluate(score_block, params, dataset, split).metrics[PRIMARY_METRIC]
        for split in SPLITS
        for params in (without, embeddings)
    ]


def row(dataset: ReviewDataset, folder: Path, label: str) -> list[str]:
    """The cells of a data set with text, or without."""
    models = [load_model(folder / f"seed_{seed}", dataset) for seed in range(_SEEDS.value)]
    scores = [score(model.embeddings, dataset) for model in models]
    weights = ", ".join(f"{weight:g}" for weight in sorted({m.neighbor_weight for m in models}))
    return [dataset.name, label, weights, *(f"{mean:.4f}" for mean in np.mean(scores, axis=0))]


def main() -> None:
    """Scores, and shows the table."""
    header = ["data set", "model", "weights", "valid, without", "valid, with"]
    header += ["test, without", "test, with"]
    rows = []
    for dataset in map(ReviewDataset.load, _DATASETS.value):
        folder = Path(_WORKDIR.value) / dataset.name
        rows += [row(dataset, folder / name, label) for name, label in RUNS.items()]
    tables.publish(tables.markdown(header, rows, n_words=3), "neighbors", _UPDATE.value)


if __name__ == "__main__":
    cli.run(main)
