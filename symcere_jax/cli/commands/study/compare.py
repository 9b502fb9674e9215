r"""Compares scored runs on one data set: which is better, by how much, and for whom?

  python launch/compare.py --dataset=data/shop --runs=runs/plain,runs/text --output=runs/compared

A run is a workdir that `evaluate` has scored, the folder of a baseline, or a folder with a
subfolder seed_* per training. The runs must have the same data, split and users.
Prints the tables; writes comparison.md, comparison.json and comparison.svg:

  - the metric, its standard error over users, and its spread over seeds;
  - the difference to the reference: 95 % paired bootstrap interval, sign-flip permutation test and
    Wilcoxon signed-rank test, with Holm's correction;
  - catalog coverage, Gini coefficient and popularity of what is recommended;
  - recall by popularity of the held-out item, and the metric by length of the user's history.
"""

from pathlib import Path

from absl import flags

from symcere_jax.folders import STUDIES, check_output_folder

_DATASET = flags.DEFINE_string("dataset", None, "prepared folder of the runs", required=True)
_RUNS = flags.DEFINE_list("runs", None, "folders of the runs, two or more", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", ("valid", "test"), "which scores to compare")
_METRIC = flags.DEFINE_string("metric", "ndcg@10", "metric to compare, such as recall@20")
_REFERENCE = flags.DEFINE_enum(
    "reference", "first", ("first", "best"), "compare with the first run, or with the best one"
)
_OUTPUT = flags.DEFINE_string("output", "comparison", "folder to write the comparison to")


def main() -> None:
    """Compares the runs and prints the tables."""
    from symcere_jax.data import ReviewDataset
    from symcere_jax.report.comparison_document import comparison_document
    from symcere_jax.report.documents import write_document
    from symcere_jax.study.comparison import compare_runs

    output = Path(_OUTPUT.value)
    check_output_folder(output, _OUTPUT.name, *STUDIES)
    comparison = compare_runs(
        [Path(folder) for folder in _RUNS.value],
        ReviewDataset.load(_DATASET.value),
        _SPLIT.value,
        _METRIC.value,
        reference=_REFERENCE.value,
    )
    document = comparison_document(comparison)
    print(document.markdown())
    for path in write_document(document, comparison, output, "comparison"):
        print(path)
