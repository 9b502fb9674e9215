r"""Exports a trained model: a folder to deploy, or files for other programs.

  python launch/export.py --workdir=runs/shop --dataset=data/shop --output=shop.model

This writes a model folder, which recommend.py and serve.py take as --model; they then need neither
the run nor the reviews. An existing model folder is replaced, and a running service loads it.

  python launch/export.py --workdir=runs/shop --dataset=data/shop --output=exported --format=arrays

This writes the embeddings of users and items as arrays (npz, safetensors) and with their ids
(users.parquet, items.parquet), and the scoring function as StableHLO (score.stablehlo), which JAX
runs on CPU, GPU and TPU without this package; docs/serving.md shows how.
"""

from pathlib import Path

from absl import flags

from symcere_jax.cli import startup
from symcere_jax.cli.model_flags import model_location
from symcere_jax.evaluation.stored_scores import stored_metrics
from symcere_jax.folders import check_writable
from symcere_jax.recommend import Recommender
from symcere_jax.recommend.export import export_model
from symcere_jax.recommend.model_folder import save_model

_OUTPUT = flags.DEFINE_string("output", None, "folder to write", required=True)
_FORMAT = flags.DEFINE_enum(
    "format", "model", ("model", "arrays"), "a model folder, or files for other programs"
)


def main() -> None:
    """Exports the best checkpoint and prints the files."""
    location = model_location()
    output = Path(_OUTPUT.value)
    check_writable(output.parent, _OUTPUT.name)
    recommender = Recommender.load(*location)
    if _FORMAT.value == "arrays":
        export_model(recommender, output)
    else:
        save_model(recommender, output, stored_metrics(Path(location[0])))
    for path in sorted(output.iterdir()):
        print(path)


def run() -> None:
    """The installed command."""
    startup.run(main)
