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

import sys
from pathlib import Path
from typing import cast

import numpy as np
from absl import flags
from rich.console import Console
from tqdm import tqdm

from launch import cli
from symcere_jax import explain
from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.reporting import explanation, recommendation
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
_SEED = flags.DEFINE_integer("seed", 0, "of the perturbations", 0)


def main() -> None:
    """Explains, and prints tables."""
    output = Path(_OUTPUT.value)
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output} is a file: choose a folder as --output")
    if _USER.value and _REVIEWS.value:
        raise ConfigError("give --reviews or --user, not both: they are two questions")
    if _ITEM.value and not _USER.value:
        raise ConfigError("--item needs --user: whom is it recommended to?")
    dataset = ReviewDataset.load(_DATASET.value)
    paths = _recommendation(dataset, output) if _USER.value else _alignments(dataset, output)
    for path in paths:
        print(path)


def _alignments(dataset: ReviewDataset, output: Path) -> list[Path]:
    trained = load_model(_WORKDIR.value, dataset)
    aligner = explain.Aligner.of_model(
        "model", trained, dataset, cast(explain.Against, _AGAINST.value)
    )
    named, console = recommendation.Named.of(dataset), Console()
    table = dataset.reviews(["user", "item", "text"])
    found = []
    for row in tqdm(_rows(dataset), unit="review", disable=not sys.stderr.isatty()):
        user, item = table["user"][row].as_py(), table["item"][row].as_py()
        words = explain.explain_words(
            table["text"][row].as_py(),
            aligner.scorer(aligner.items[item]),
            n_samples=_SAMPLES.value,
            n_repeats=_REPEATS.value,
            seed=_SEED.value,
        )
        ids = str(named.users[user]), str(named.items[item])
        found.append(explanation.ReviewAlignment(row, *ids, _AGAINST.value, words))
        console.print(explanation.words_table(words, f"review {row}: {ids[0]} on {ids[1]}"))
    return explanation.write_alignments(found, output, dataset.name)


def _rows(dataset: ReviewDataset) -> list[int]:
    if not _REVIEWS.value:
        split = dataset.reviews(["split"])["split"].to_numpy()
        rows = np.flatnonzero(split == ("test" if len(dataset.test) else "train"))
        drawn = np.random.default_rng(_SEED.value).choice(rows, min(5, len(rows)), replace=False)
        return sorted(drawn.tolist())
    n = dataset.manifest.n_reviews
    for row in _REVIEWS.value:
        if not row.isdecimal() or int(row) >= n:
            raise ConfigError(f"--reviews has {row!r}: rows are whole numbers from 0 to {n - 1}")
    return [int(row) for row in _REVIEWS.value]


def _recommendation(dataset: ReviewDataset, output: Path) -> list[Path]:
    named = recommendation.Named.of(dataset)
    user = _row_of(named.users, _USER.value, "user", dataset)
    item = _row_of(named.items, _ITEM.value, "item", dataset) if _ITEM.value else None
    trained = load_model(_WORKDIR.value, dataset)
    aligner = explain.Aligner.of_model("model", trained, dataset, "fused")
    if item is None:
        item = explain.best_new_item(trained, dataset, user)
    one = explain.explain_recommendation(
        trained,
        dataset,
        aligner,
        user,
        item,
        n_reviews=_EVIDENCE.value,
        n_samples=_SAMPLES.value,
        n_repeats=_REPEATS.value,
        seed=_SEED.value,
    )
    for table in recommendation.recommendation_tables(one, named):
        Console().print(table)
    return recommendation.write_recommendations([one], named, output, dataset.name)


def _row_of(ids: np.ndarray, wanted: str | None, kind: str, dataset: ReviewDataset) -> int:
    rows = np.flatnonzero(ids == wanted)
    if not len(rows):
        raise DataError(
            f"{dataset.folder / f'{kind}s.parquet'} has no {kind} {wanted!r}; its ids look like "
            f"{ids[0]!r}"
        )
    return int(rows[0])


def run() -> None:
    """The installed command."""
    cli.run(main)


if __name__ == "__main__":
    run()
