r"""Turns raw reviews into a prepared folder, which training and evaluation read.

Reviews in a table (JSON lines, CSV, TSV or Parquet; also gzipped, also a folder of such files):

  python data_prep/prepare.py --source=table --input=reviews.csv.gz --output=data/shop \
    --user_field=customer --item_field=sku --text_field=body --k_core=5

The TripAdvisor hotel reviews, straight from their archive:

  python data_prep/prepare.py --source=tripadvisor_lara --input=tripadvisor.tar.xz \
    --output=data/hotels --k_core=3

Generated reviews with a known truth, to try things out:

  python data_prep/prepare.py --source=synthetic --output=data/synthetic
"""

import sys
from pathlib import Path

from absl import flags
from rich.console import Console

from data_prep import pipeline
from data_prep.config import SPLIT_POLICIES, TEXT_ENCODERS, PrepareConfig
from data_prep.sources import SOURCES
from launch import cli

_SOURCE = flags.DEFINE_enum("source", None, list(SOURCES), "Kind of the raw data.", required=True)
_INPUT = flags.DEFINE_string("input", None, "Raw file, folder or archive; not for synthetic.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_NAME = flags.DEFINE_string(
    "name", PrepareConfig.name, "Short name of the data; default: that of --output."
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", PrepareConfig.overwrite, "Replace the prepared folder at --output."
)
_USER_FIELD = flags.DEFINE_string(
    "user_field",
    PrepareConfig.user_field,
    "Field of the user ids (every --…_field is for a table).",
)
_ITEM_FIELD = flags.DEFINE_string("item_field", PrepareConfig.item_field, "Field of the item ids.")
_RATING_FIELD = flags.DEFINE_string(
    "rating_field",
    PrepareConfig.rating_field,
    'Field of the ratings; default: "rating", if any.',
)
_TEXT_FIELD = flags.DEFINE_string(
    "text_field", PrepareConfig.text_field, 'Field of the review texts; default: "text".'
)
_TIME_FIELD = flags.DEFINE_string(
    "time_field",
    PrepareConfig.time_field,
    'Field of the Unix seconds; default: "timestamp", if any.',
)
_SPLIT_FIELD = flags.DEFINE_string(
    "split_field",
    PrepareConfig.split_field,
    'Field of train, valid or test; default: "split", if any.',
)
_MIN_VALID_RATING = flags.DEFINE_float(
    "min_valid_rating", PrepareConfig.min_valid_rating, "A lower rating is an error."
)
_MAX_VALID_RATING = flags.DEFINE_float(
    "max_valid_rating", PrepareConfig.max_valid_rating, "A higher rating is an error."
)
_K_CORE = flags.DEFINE_integer(
    "k_core",
    PrepareConfig.k_core,
    "Least reviews of every user and item; 1 keeps all.",
)
_SPLIT = flags.DEFINE_enum(
    "split",
    PrepareConfig.split,
    SPLIT_POLICIES,
    "How to split; default: predefined where rows carry a split, else ratio.",
)
_VALID_SHARE = flags.DEFINE_float(
    "valid_share",
    PrepareConfig.valid_share,
    "Share of each user's reviews for validation (ratio, temporal).",
)
_TEST_SHARE = flags.DEFINE_float(
    "test_share",
    PrepareConfig.test_share,
    "Share of each user's reviews for the test (ratio, temporal).",
)
_SEED = flags.DEFINE_integer("seed", PrepareConfig.seed, "Seed of all that is random.")
_TEXT_ENCODER = flags.DEFINE_enum(
    "text_encoder",
    PrepareConfig.text_encoder,
    TEXT_ENCODERS,
    "Makes features of texts.",
)
_TEXT_WIDTH = flags.DEFINE_integer(
    "text_width", PrepareConfig.text_width, "Width of the text features."
)
_SYNTHETIC_USERS = flags.DEFINE_integer(
    "synthetic_users", PrepareConfig.synthetic_users, "Number of generated users."
)
_SYNTHETIC_ITEMS = flags.DEFINE_integer(
    "synthetic_items", PrepareConfig.synthetic_items, "Number of generated items."
)
_SYNTHETIC_REVIEWS_PER_USER = flags.DEFINE_float(
    "synthetic_reviews_per_user",
    PrepareConfig.synthetic_reviews_per_user,
    "Mean number of generated reviews a user.",
)


def main() -> None:
    """Prepares the data and prints the summary."""
    summary = pipeline.prepare(_config(), announce=_announce)
    Console().print(summary.as_table())
    print(f"prepared folder: {summary.output}")


def _config() -> PrepareConfig:
    return PrepareConfig(
        source=_SOURCE.value,
        input=Path(_INPUT.value) if _INPUT.value else None,
        output=Path(_OUTPUT.value),
        name=_NAME.value,
        overwrite=_OVERWRITE.value,
        user_field=_USER_FIELD.value,
        item_field=_ITEM_FIELD.value,
        rating_field=_RATING_FIELD.value,
        text_field=_TEXT_FIELD.value,
        time_field=_TIME_FIELD.value,
        split_field=_SPLIT_FIELD.value,
        min_valid_rating=_MIN_VALID_RATING.value,
        max_valid_rating=_MAX_VALID_RATING.value,
        k_core=_K_CORE.value,
        split=_SPLIT.value,
        valid_share=_VALID_SHARE.value,
        test_share=_TEST_SHARE.value,
        seed=_SEED.value,
        text_encoder=_TEXT_ENCODER.value,
        text_width=_TEXT_WIDTH.value,
        synthetic_users=_SYNTHETIC_USERS.value,
        synthetic_items=_SYNTHETIC_ITEMS.value,
        synthetic_reviews_per_user=_SYNTHETIC_REVIEWS_PER_USER.value,
    )


def _announce(stage: str) -> None:
    print(stage, file=sys.stderr, flush=True)


def run() -> None:
    """The installed command."""
    cli.run(main)


if __name__ == "__main__":
    run()
