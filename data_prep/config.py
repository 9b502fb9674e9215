"""The settings of a preparation."""

import dataclasses
import math
from pathlib import Path

from symcere_jax.errors import ConfigError

SPLIT_POLICIES = ("ratio", "leave_one_out", "temporal", "predefined")
TEXT_ENCODERS = ("lsa", "none")


@dataclasses.dataclass(frozen=True)
class PrepareConfig:
    """What to read, how to filter and split it, and where to write it.

    Attributes:
        source: kind of the raw data, a name in `data_prep.sources.SOURCES`.
        output: folder to write.
        input: raw file, folder or archive; None for generated data.
        name: short name of the data set; None: the name of the output folder.
        overwrite: replace a prepared folder that is already there.
        user_field: column of the user ids (this and the other fields: source "table" only).
        item_field: column of the item ids.
        rating_field: column of the ratings; None: "rating", where there is one.
        text_field: column of the review texts; None: "text".
        time_field: column of the Unix seconds; None: "timestamp", where there is one.
        split_field: column of train/valid/test; None: "split", where there is one.
        min_valid_rating: a lower rating is an error.
        max_valid_rating: a higher rating is an error.
        k_core: leave out users and items with fewer reviews, until none is left; 1: keep all.
        split: one of `SPLIT_POLICIES`; None: predefined where the rows carry a split, else ratio.
        valid_share: share of each user's reviews for validation (ratio, temporal).
        test_share: share of each user's reviews for the test (ratio, temporal).
        seed: of the split, of the text encoder and of generated data.
        text_encoder: one of `TEXT_ENCODERS`.
        text_width: width of the text features.
        synthetic_users: number of generated users.
        synthetic_items: number of generated items.
        synthetic_reviews_per_user: mean number of generated reviews a user.

    Raises:
        ConfigError: a value is out of range, or contradicts another one.
    """

    source: str
    output: Path
    input: Path | None = None
    name: str | None = None
    overwrite: bool = False
    user_field: str = "user_id"
    item_field: str = "item_id"
    rating_field: str | None = None
    text_field: str | None = None
    time_field: str | None = None
    split_field: str | None = None
    min_valid_rating: float = 1.0
    max_valid_rating: float = 5.0
    k_core: int = 1
    split: str | None = None
    valid_share: float = 0.1
    test_share: float = 0.2
    seed: int = 0
    text_encoder: str = "lsa"
    text_width: int = 256
    synthetic_users: int = 2000
    synthetic_items: int = 500
    synthetic_reviews_per_user: float = 10.0

    def __post_init__(self) -> None:
        for flag in ("k_core", "text_width", "synthetic_users", "synthetic_items"):
            if getattr(self, flag) < 1:
                raise ConfigError(f"--{flag} is {getattr(self, flag)}, must be at least 1")
        if self.seed < 0:
            raise ConfigError(f"--seed is {self.seed}, must not be negative")
        if not 1 <= self.synthetic_reviews_per_user < math.inf:
            raise ConfigError(
                f"--synthetic_reviews_per_user is {self.synthetic_reviews_per_user}, "
                "must be at least 1"
            )
        for flag in ("valid_share", "test_share"):
            if not 0 <= getattr(self, flag) < 1:
                raise ConfigError(f"--{flag} is {getattr(self, flag)}, must be in [0, 1)")
        if self.valid_share + self.test_share >= 1:
            raise ConfigError(
                f"--valid_share={self.valid_share} and --test_share={self.test_share} leave "
                "nothing to train on: their sum must be below 1"
            )
        if not self.min_valid_rating <= self.max_valid_rating:
            raise ConfigError(
                f"--min_valid_rating={self.min_valid_rating} is above "
                f"--max_valid_rating={self.max_valid_rating}"
            )
        if self.split is not None and self.split not in SPLIT_POLICIES:
            raise ConfigError(f"--split is {self.split!r}, must be one of {_list(SPLIT_POLICIES)}")
        if self.text_encoder not in TEXT_ENCODERS:
            raise ConfigError(
                f"--text_encoder is {self.text_encoder!r}, must be one of {_list(TEXT_ENCODERS)}"
            )
        if self.source == "synthetic" and self.input is not None:
            raise ConfigError("--input is given, but --source=synthetic generates its data")
        if self.source != "synthetic" and self.input is None:
            raise ConfigError(f"--input is missing: --source={self.source} reads a file or folder")


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
