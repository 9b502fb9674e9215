r"""Measures popularity bias: what do embedding norms encode, and what is recommended?

  python launch/bias.py --dataset=data/shop --runs=runs/shop,runs/unnormalized --output=runs/bias

A run is a workdir that `evaluate` has scored, the folder of a baseline, or a folder with a
subfolder seed_* per training, whose numbers are averaged. Prints the tables;
writes bias.md, bias.json and bias.svg:

  - Spearman's correlation of the norm of an item's embedding with its training interactions,
    before normalization;
  - popularity of what is recommended, Gini coefficient and coverage of the catalog;
  - by decile of the catalog: share of the ranks, NDCG@10, mean norm;
  - alignment and uniformity of the embeddings on the unit sphere.

metrics.jsonl of a workdir has alignment and uniformity by epoch; `symcere report` plots them.
"""

from pathlib import Path

from absl import flags

from symcere_jax.folders import STUDIES, check_output_folder

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder of the runs", required=True)
_RUNS = flags.DEFINE_list("runs", None, "folders of the runs, one or more", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", ("valid", "test"), "which scores to use")
_OUTPUT = flags.DEFINE_string("output", "bias", "folder to write the results to")


def main() -> None:
    """Measures the runs and prints the tables."""
    from symcere_jax.data import ReviewDataset
    from symcere_jax.report.bias_document import bias_document
    from symcere_jax.report.documents import write_document
    from symcere_jax.study.bias import measure_bias

    output = Path(_OUTPUT.value)
    check_output_folder(output, _OUTPUT.name, *STUDIES)
    bias = measure_bias(
        [Path(folder) for folder in _RUNS.value], ReviewDataset.load(_DATASET.value), _SPLIT.value
    )
    document = bias_document(bias)
    print(document.markdown())
    for path in write_document(document, bias, output, "bias"):
        print(path)
