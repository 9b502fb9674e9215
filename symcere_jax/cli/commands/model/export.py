r"""Exports a trained model to a folder, to deploy or for other programs.

  python launch/export.py --workdir=runs/shop --dataset=data/shop --output=shop.model

`recommend` and `serve` take this model folder as --model. They then need neither the run nor the
reviews. An existing model folder is replaced, and a running service loads the new one.

Other programs read the embeddings (embeddings.safetensors) and the ids of their rows
(users.parquet, items.parquet). --stablehlo adds the scoring function, which JAX runs on CPU, GPU
and TPU without this package; docs/serving.md shows how.
"""

from pathlib import Path

from absl import flags

from symcere_jax.cli.model_flags import model_location
from symcere_jax.folders import check_writable

_OUTPUT = flags.DEFINE_string("output", None, "folder to write", required=True)
_STABLEHLO = flags.DEFINE_bool(
    "stablehlo", False, "also write score.stablehlo (pip install 'symcere-jax[export]')"
)


def main() -> None:
    """Exports the best checkpoint and prints the files."""
    from symcere_jax.evaluation.stored_scores import stored_metrics
    from symcere_jax.recommend import Recommender
    from symcere_jax.recommend.model_folder import save_model

    location = model_location()
    output = Path(_OUTPUT.value)
    check_writable(output.parent, _OUTPUT.name)
    scores = stored_metrics(Path(location[0]))
    save_model(Recommender.load(*location), output, scores, stablehlo=_STABLEHLO.value)
    for path in sorted(output.iterdir()):
        print(path)
