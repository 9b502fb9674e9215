r"""Explains by words and neighbours: why a review fits its item, why an item is recommended.

Why do these reviews align with their items? Rows are those of reviews.parquet; without --reviews,
five reviews are drawn from the test split:

  python launch/explain.py --dataset=data/shop --workdir=runs/shop --reviews=12,80

Why is an item recommended to a user? Without --item: the best one that the user has not had:

  python launch/explain.py --dataset=data/shop --workdir=runs/shop --user=user-0042 --item=item-007

Prints tables; writes explanations.json and explanations.html, a page without network or scripts.
Words are weighed by LIME: reviews with some words left out, encoded in batches, and a linear model
fitted to their scores. Its fit (R²) and the 95 % interval of each contribution over repeats are
given: where the fit is low or an interval holds 0, a contribution says little.
"""

from typing import cast

from absl import flags
from rich.console import Console

from symcere_jax import explain
from symcere_jax.cli import app as cli
from symcere_jax.cli.progress import counting_bar
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError
from symcere_jax.report import explanation, recommendation
from symcere_jax.training import load_model

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
    "evidence", 3, "reviews by the user, and of the item, that a recommendation is explained by", 1
)
_SAMPLES = flags.DEFINE_integer("samples", 500, "perturbed texts of a review in a repeat", 2)
_REPEATS = flags.DEFINE_integer("repeats", 3, "repeats, which tell how stable LIME is", 1)
_SEED = flags.DEFINE_integer(
    "seed", 0, "of the perturbations, and of the draw of reviews where --reviews is not given", 0
)


def main() -> None:
    """Explains, and prints tables."""
    output = cli.output_folder(_OUTPUT.value)
    if _USER.value and _REVIEWS.value:
        raise ConfigError("give --reviews or --user, not both: they are two questions")
    if _ITEM.value and not _USER.value:
        raise ConfigError("--item needs --user: whom is it recommended to?")
    dataset = ReviewDataset.load(_DATASET.value)
    trained = load_model(_WORKDIR.value, dataset)
    options = {
        "n_samples": _SAMPLES.value,
        "n_repeats": _REPEATS.value,
        "seed": _SEED.value,
    }
    named = recommendation.Named.of(dataset)
    if _USER.value:
        user = named.row_of("user", _USER.value)
        item = named.row_of("item", _ITEM.value) if _ITEM.value else None
        aligner = explain.Aligner.of_model("model", trained, dataset, "fused")
        if item is None:
            item = explain.best_new_item(trained, dataset, user)
        one = explain.explain_recommendation(
            trained, dataset, aligner, user, item, n_reviews=_EVIDENCE.value, **options
        )
        tables = recommendation.recommendation_tables(one, named)
        paths = recommendation.write_recommendation_explanations([one], named, output, dataset.name)
    else:
        against = cast(explain.Against, _AGAINST.value)
        aligner = explain.Aligner.of_model("model", trained, dataset, against)
        rows = explain.chosen_reviews(dataset, _REVIEWS.value, seed=_SEED.value)
        reviews = dataset.reviews(["user", "item", "text"]).take(rows)
        texts, items = reviews["text"].to_pylist(), reviews["item"].to_numpy()
        with counting_bar("review") as show:
            found = explain.explain_reviews(aligner, texts, items, progress=show, **options)
        alignments = [
            explanation.ReviewAlignment(row, named.users[user], named.items[item], against, words)
            for row, user, item, words in zip(
                rows, reviews["user"].to_numpy(), items, found, strict=True
            )
        ]
        tables = [explanation.alignment_table(one) for one in alignments]
        paths = explanation.write_alignments(alignments, output, dataset.name)
    for table in tables:
        Console().print(table)
    for path in paths:
        print(path)


def run() -> None:
    """The installed command."""
    cli.run(main)
