r"""What neighbours are worth (--item_neighbors): the same trainings scored with and without them.

  python benchmarks/neighbors.py --datasets=data/tripadvisor,data/gift_cards,data/magazines \
    --workdir=runs/results --seeds=5 --update=docs/quality.md

Reads SymCERE's runs with the defaults, with text and without, that benchmarks/results.py left in
WORKDIR. Each run chose its weight on the validation split when it ended.
"""

import dataclasses
from pathlib import Path

import numpy as np
import tables
from absl import flags

from symcere_jax.cli import app as cli
from symcere_jax.data import ReviewDataset
from symcere_jax.evaluation import PRIMARY_METRIC, HeldOutSplit, evaluate
from symcere_jax.models import Embeddings, score_block
from symcere_jax.training import load_model

_DATASETS = flags.DEFINE_list("datasets", None, "prepared folders", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "of benchmarks/results.py", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 5, "trainings of each, from seed 0", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")

RUNS = {"symcere": "text", "symcere_no_text": "no text"}
SPLITS: tuple[HeldOutSplit, ...] = ("valid", "test")


def scores(embeddings: Embeddings, dataset: ReviewDataset) -> list[float]:
    """NDCG@10 without and with neighbours on validation, then the same on the test split."""
    without = dataclasses.replace(embeddings, user_neighbors=None, item_neighbors=None)
    return [
        evaluate(score_block, params, dataset, split).metrics[PRIMARY_METRIC]
        for split in SPLITS
        for params in (without, embeddings)
    ]


def row(dataset: ReviewDataset, folder: Path, label: str) -> list[str]:
    """The cells of a data set with text, or without."""
    found, weights = [], []
    for seed in range(_SEEDS.value):
        trained = load_model(folder / f"seed_{seed}", dataset)
        found.append(scores(trained.embeddings(), dataset))
        weights.append(trained.neighbor_weight)
    shown = ", ".join(f"{weight:g}" for weight in sorted(set(weights)))
    return [dataset.name, label, shown, *(f"{mean:.4f}" for mean in np.mean(found, axis=0))]


def main() -> None:
    """Scores, and shows the table."""
    header = ["data set", "model", "weights", "valid, without", "valid, with"]
    header += ["test, without", "test, with"]
    body = []
    for path in _DATASETS.value:
        dataset = ReviewDataset.load(path)
        folder = Path(_WORKDIR.value) / dataset.name
        body += [row(dataset, folder / name, label) for name, label in RUNS.items()]
    text = tables.markdown(header, body, n_words=3)
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "neighbors", text)


if __name__ == "__main__":
    cli.run(main)
