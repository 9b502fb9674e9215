"""The settings of a preparation; each is a flag of `prepare.py` under the same name."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Literal, get_args

from symcere_jax.errors import ConfigError
from symcere_jax.fields import setting
from symcere_jax.prepare.encode.text_settings import TextSettings, check

SplitPolicy = Literal[
    "ratio",
    "leave_one_out",
    "temporal",
    "global_time",
    "cold_item",
    "cold_user",
    "predefined",
]
SPLIT_POLICIES = get_args(SplitPolicy)

_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_LEAST_MEMORY = 512 * 2**20


@dataclasses.dataclass(frozen=True)
class PrepareSettings(TextSettings):
    """What to read, how to clean, filter and split it, and where to write it.

    Attributes:
        source: kind of the raw data, a name in `symcere_jax.prepare.sources.SOURCES`.
        output: folder to write.

    All others: see the text beside each. A `ConfigError` is raised where a value is out of range,
    or contradicts another one.
    """

    source: str
    output: Path
    input: Path | None = setting(None, "Raw file, folder or archive.")
    name: str | None = setting(None, "Short name of the data; default: that of --output.")
    overwrite: bool = setting(False, "Replace the prepared folder at --output.")
    append: bool = setting(
        False,
        "Add the reviews to the prepared folder at --output: users and items keep their rows, held-"
        "out reviews stay held out; new reviews go to train unless they carry a split or "
        "--split=ratio is given; --k_core, the least --min_history and the text encoder are the "
        "folder's.",
    )

    download: bool = setting(False, "Fetch --url to --input where that is missing.")
    url: str | None = setting(None, "Where --download fetches the raw file.")
    sha256: str | None = setting(None, "Checksum that the raw file must have.")

    user_field: str = setting("user_id", "Field of user ids (every --…_field is for a table).")
    item_field: str = setting("item_id", "Field of the item ids.")
    rating_field: str | None = setting(None, 'Field of the ratings; default: "rating", if any.')
    text_field: str | None = setting(None, 'Field of the review texts; default: "text".')
    time_field: str | None = setting(None, 'Field of the Unix times; default: "timestamp", if any.')
    split_field: str | None = setting(
        None, 'Field of train, valid or test; default: "split", if any.'
    )
    time_unit: Literal["s", "ms"] = setting("s", "Unit of the times of a table.")
    item_metadata: Path | None = setting(
        None, "File of item titles and categories (Amazon 2023), or of businesses (Yelp)."
    )
    city: str | None = setting(None, "Keep items of one city (Yelp, HotelRec).")
    state: str | None = setting(None, "Keep items of one state, as PA (Yelp).")
    category: str | None = setting(None, "Keep items of one category, as Restaurants (Yelp).")

    min_valid_rating: float = setting(1.0, "A lower rating is an error.")
    max_valid_rating: float = setting(5.0, "A higher rating is an error.")
    on_bad_row: Literal["fail", "skip"] = setting(
        "fail",
        "What is done at a malformed row: the run ends, or the row is skipped and counted.",
    )
    max_bad_share: float = setting(
        0.01, "With --on_bad_row=skip: a larger share of bad rows ends the run."
    )

    clean_html: bool = setting(True, "Take HTML tags and entities out of texts.")
    fix_mojibake: bool = setting(True, "Mend texts that were decoded by the wrong encoding.")
    drop_control: bool = setting(True, "Take control characters out of texts.")
    drop_empty_text: bool = setting(False, "Leave out reviews without text.")
    drop_duplicate_text: bool = setting(
        False, "Of reviews with equal texts by one user, keep the latest."
    )
    max_words: int = setting(0, "Cut longer texts to that many words; 0 keeps them whole.")

    k_core: int = setting(1, "Least reviews of every user and item; 1 keeps all.")
    split: SplitPolicy | None = setting(
        None, "How to split; default: predefined where rows carry a split, else ratio."
    )
    valid_share: float = setting(
        0.1, "Share for validation: of each user's reviews, of the time line, of items or of users."
    )
    test_share: float = setting(0.2, "Share for the test, likewise.")
    warm_share: float = setting(
        0.1,
        "With --split=cold_item or cold_user: share of each user's other reviews that is held out "
        "for validation, and as much for the test. Training needs some to choose the epoch by.",
    )
    min_history: int | None = setting(
        None,
        "Least training reviews of a user of whom a review is held out; default: 1 where each "
        "user's reviews are split, else 0.",
    )
    seed: int = setting(0, "Seed of all that is random.")

    memory: str = setting(
        "2GiB",
        "Memory to stay within; what does not fit goes to disk. --text_encoder=lsa runs when the "
        "engine has ended and has a limit of its own: 2 GiB in all with up to 100,000 items, and "
        "4 KiB for each item above that.",
    )
    threads: int = setting(0, "Threads of the engine; 0: one a core.")

    synthetic_users: int = setting(2000, "Number of generated users.")
    synthetic_items: int = setting(500, "Number of generated items.")
    synthetic_reviews_per_user: float = setting(10.0, "Mean number of generated reviews a user.")

    def __post_init__(self) -> None:
        super().__post_init__()
        for flag in ("k_core", "synthetic_users", "synthetic_items"):
            check(getattr(self, flag) >= 1, flag, getattr(self, flag), "must be at least 1")
        for flag in ("seed", "max_words", "threads"):
            check(getattr(self, flag) >= 0, flag, getattr(self, flag), "must not be negative")
        reviews = self.synthetic_reviews_per_user
        check(1 <= reviews < math.inf, "synthetic_reviews_per_user", reviews, "must be at least 1")
        for flag in ("valid_share", "test_share"):
            check(0 <= getattr(self, flag) < 1, flag, getattr(self, flag), "must be in [0, 1)")
        check(0 <= self.max_bad_share <= 1, "max_bad_share", self.max_bad_share, "not in [0, 1]")
        check(0 <= self.warm_share < 0.5, "warm_share", self.warm_share, "must be in [0, 0.5)")
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
        self._check_history()
        check(self.memory_bytes >= _LEAST_MEMORY, "memory", repr(self.memory), "at least 512MiB")
        if self.source == "synthetic" and self.input is not None:
            raise ConfigError("--input is given, but --source=synthetic generates its data")
        if self.source != "synthetic" and self.input is None:
            raise ConfigError(f"--input is missing: --source={self.source} reads a file or folder")
        if self.sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", self.sha256):
            raise ConfigError(f"--sha256 is {self.sha256!r}, must be 64 hexadecimal digits")

    def _check_history(self) -> None:
        if self.min_history is None:
            return
        check(self.min_history >= 0, "min_history", self.min_history, "must not be negative")
        if self.split == "cold_user" and self.min_history > 0:
            raise ConfigError(
                f"--min_history={self.min_history} would leave nothing of --split=cold_user, whose "
                "held-out users have no training review"
            )

    @property
    def memory_bytes(self) -> int:
        """The value of `memory` in bytes."""
        match = re.fullmatch(r"([0-9.]+) *([A-Za-z]*)", self.memory)
        try:
            return int(float(match[1]) * _UNITS[match[2]])  # type: ignore[index]
        except (TypeError, KeyError, ValueError):
            raise ConfigError(f"--memory is {self.memory!r}, expected a size as 2GiB") from None
