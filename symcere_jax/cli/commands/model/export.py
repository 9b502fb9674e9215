r"""Exports a trained model for other programs.

  python launch/export.py --workdir=runs/shop --dataset=data/shop --output=exported/shop

The folder gets the embeddings of users and items as NumPy arrays (embeddings.npz) and with their
ids (users.parquet, items.parquet), and the scoring function as StableHLO (score.stablehlo), which
JAX runs on CPU, GPU and TPU without this package; docs/serving.md shows how.
"""

from pathlib import Path

from absl import flags

from symcere_jax.cli import startup
from symcere_jax.recommend import Recommender
from symcere_jax.recommend.export import export_model

_DATASET = flags.DEFINE_string(
    "dataset", None, "prepared folder that the model was trained on", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "folder to write; must not exist", required=True)


def main() -> None:
    """Exports the best checkpoint and prints the files."""
    recommender = Recommender.load(_WORKDIR.value, _DATASET.value)
    for path in export_model(recommender, Path(_OUTPUT.value)):
        print(path)


def run() -> None:
    """The installed command."""
    startup.run(main)
