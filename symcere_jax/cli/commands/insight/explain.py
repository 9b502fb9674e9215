r"""Explains why a review fits its item, or why an item is recommended, by words and interactions.

Why do reviews align with their items? --reviews are rows of reviews.parquet; by default, five are
drawn from the test split:

  python launch/explain.py --dataset=data/shop --workdir=runs/shop --reviews=12,80

Why is an item recommended to a user? By default, --item is the best one that is new to the user:

  python launch/explain.py --dataset=data/shop --workdir=runs/shop --user=user-0042 --item=item-007

Prints tables; writes explanations.json and explanations.html, a page without network or scripts.
LIME weights words by a linear model of the scores of the review with some words removed. The output
shows its fit (R²) and a 95 % interval of each contribution over repeats. If the fit is low or the
interval contains 0, do not rely on the contribution.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from symcere_jax.cli import field_flags
from symcere_jax.errors import ConfigError
from symcere_jax.folders import STUDIES, check_output_folder
from symcere_jax.optional import require
from symcere_jax.settings import LimeSettings

if TYPE_CHECKING:
    from symcere_jax.data import ReviewDataset


_DATASET = flags.DEFINE_string("dataset", None, "prepared folder of the model", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
_OUTPUT = flags.DEFINE_string("output", "explanations", "folder to write to")
_REVIEWS = flags.DEFINE_list("reviews", [], "rows of reviews to explain")
_USER = flags.DEFINE_string("user", None, "id of a user whose recommendation to explain")
_ITEM = flags.DEFINE_string("item", None, "id of the item recommended; default: the best one")
_AGAINST = flags.DEFINE_enum(
    "against", "graph", ("graph", "fused", "text"), "embedding of the item that reviews align with"
)
_EVIDENCE = flags.DEFINE_integer(
    "evidence", 3, "number of reviews to explain, by the user and of the item", 1
)
_LIME = field_flags.define(LimeSettings)


def main() -> None:
    """Explains, and prints tables."""
    from rich.console import Console

    from symcere_jax import explain
    from symcere_jax.cli.progress import counting_bar
    from symcere_jax.data import ReviewDataset
    from symcere_jax.recommend import IdMap
    from symcere_jax.report.explanation_document import (
        Explanations,
        terminal_tables,
        write_explanations,
    )
    from symcere_jax.training import load_model

    require("jinja2", extra="report")  # before the work
    output = Path(_OUTPUT.value)
    check_output_folder(output, _OUTPUT.name, *STUDIES)
    if _USER.value and _REVIEWS.value:
        raise ConfigError("give --reviews or --user, not both")
    if _ITEM.value and not _USER.value:
        raise ConfigError("--item needs --user")
    dataset = ReviewDataset.load(_DATASET.value)
    trained = load_model(_WORKDIR.value, dataset)
    lime = field_flags.read(LimeSettings, _LIME)
    reviews, recommendations = [], []
    if _USER.value:
        [user] = IdMap("user", dataset.user_ids()).rows([_USER.value]).tolist()
        item = None
        if _ITEM.value:
            [item] = IdMap("item", dataset.item_ids()).rows([_ITEM.value]).tolist()
        recommendations.append(
            explain.explain_recommendation(
                trained, dataset, user, item, n_reviews=_EVIDENCE.value, lime=lime
            )
        )
    else:
        aligner = explain.Aligner.from_model("model", trained, dataset, _AGAINST.value)
        rows = _review_rows(dataset, lime.seed)
        with counting_bar("review") as show:
            reviews = explain.explain_reviews(aligner, dataset, rows, lime=lime, progress=show)
    explanations = Explanations(dataset.name, _AGAINST.value, reviews, recommendations)
    for table in terminal_tables(explanations):
        Console().print(table)
    for path in write_explanations(explanations, output):
        print(path)


def _review_rows(dataset: "ReviewDataset", seed: int) -> list[int]:
    """Rows of --reviews, or of five test reviews; of training reviews where there is no test."""
    from symcere_jax import explain

    if not _REVIEWS.value:
        split = "test" if len(dataset.test) else "train"
        return sorted(explain.sample_reviews(dataset, split, 5, seed=seed))
    n_reviews = dataset.manifest.n_reviews
    for row in _REVIEWS.value:
        if not row.isdecimal() or int(row) >= n_reviews:
            raise ConfigError(
                f"--reviews has {row!r}: rows are whole numbers from 0 to {n_reviews - 1}"
            )
    return [int(row) for row in _REVIEWS.value]
