"""The settings of a preparation; each is a flag of `prepare.py` under the same name."""

import dataclasses
import re
from pathlib import Path
from typing import Literal

from symcere_jax.errors import ConfigError
from symcere_jax.fields import SettingsBase, setting
from symcere_jax.preparation.encode.text_settings import TextSettings
from symcere_jax.preparation.split.split_settings import SplitSettings

SourceName = Literal[
    "amazon_2014",
    "amazon_2018",
    "amazon_2023",
    "hotelrec",
    "lightgcn",
    "synthetic",
    "table",
    "tripadvisor_lara",
    "yelp",
]

_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_LEAST_MEMORY = 512 * 2**20
_NEW_ALONE = ("global_time", "cold_item", "cold_user")  # splits whose held-out part must be new


@dataclasses.dataclass(frozen=True, kw_only=True)
class CleaningSettings(SettingsBase):
    """Which rows are malformed, which are left out, and what changes in their texts."""

    min_valid_rating: float | None = setting(
        None,
        "lowest rating of the scale, which is mapped to 1 … 5; a lower rating is an error; "
        "default: detected, such as 0 … 1, 1 … 5, 0 … 10, −5 … 5",
    )
    max_valid_rating: float | None = setting(
        None, "highest rating of the scale; a higher one is an error"
    )
    on_bad_row: Literal["fail", "skip"] = setting(
        "fail", "at a malformed row, end the run (fail), or leave it out and count it (skip)"
    )
    max_bad_share: float = setting(
        0.01,
        "with --on_bad_row=skip, a larger share of bad rows ends the run",
        minimum=0,
        maximum=1,
    )
    clean_texts: bool = setting(
        True,
        "remove HTML and control characters from texts, and repair texts that were decoded with "
        "the wrong encoding",
    )
    drop_empty_text: bool = setting(False, "leave out reviews without text")
    drop_copies: bool | None = setting(
        None,
        "keep only the latest of a user's reviews with the same text, such as copies for variants "
        "of a product; texts with fewer than 20 letters and digits stay; default: on, unless rows "
        "carry a split",
    )
    keep_dropped: bool = setting(
        False,
        "also learn from reviews outside the k-core: those by users with two or more go to train, "
        "the texts of the others describe their items. The evaluated users stay the same. Rows of "
        "split 'extra' are treated the same way",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        low = 1.0 if self.min_valid_rating is None else self.min_valid_rating
        high = 5.0 if self.max_valid_rating is None else self.max_valid_rating
        if low >= high:
            raise ConfigError(
                f"--min_valid_rating={low} must be below --max_valid_rating={high}; give both"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DialectSettings(SettingsBase):
    """How CSV, TSV and similar tables are written; None: detected."""

    delimiter: str | None = setting(
        None, "separator of a text table, such as ';' or '\\t'; default: detected"
    )
    encoding: str | None = setting(
        None, "encoding of a text table, such as latin-1 or gbk; default: UTF-8, or detected"
    )
    header: bool = setting(
        True, "text tables have a header; without one, fields are called 1, 2, 3 …"
    )
    quoting: Literal["doubled", "escaped", "none"] | None = setting(
        None,
        "quotes around fields of text tables: none, or with inner quotes doubled or escaped by "
        "backslashes; default: detected, record by record",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        separator = self.separator
        if separator == "" or (separator and re.search(r'["\r\n]', separator)):
            raise ConfigError(f"--delimiter is {self.delimiter!r}, which cannot separate fields")
        if separator and len(separator) > 1 and self.quoting not in (None, "none"):
            raise ConfigError(
                f"--delimiter is {self.delimiter!r}; fields that are separated by several letters "
                "cannot be quoted: use --quoting=none"
            )
        try:
            "".encode(self.encoding or "utf-8")
        except LookupError:
            raise ConfigError(f"--encoding is {self.encoding!r}, which is unknown") from None

    @property
    def separator(self) -> str | None:
        """`delimiter`, with a tab where it is written as a backslash and a t."""
        return self.delimiter and self.delimiter.replace("\\t", "\t")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareSettings(DialectSettings, TextSettings, CleaningSettings, SplitSettings):
    """What to read, how to clean, filter, split and encode it, and where to write it."""

    source: SourceName = setting(dataclasses.MISSING, "kind of raw data")
    output: Path = setting(dataclasses.MISSING, "folder to write")
    input: str | None = setting(
        None,
        "raw file, folder or archive, or the URL of one: https, hf, s3, gs and others. For a table "
        "also a pattern, such as 'part-*.csv', or several files separated by commas (after a URL, "
        "a comma separates only before another URL or an existing file)",
    )
    name: str | None = setting(None, "short name of the data; default: the name of --output")
    overwrite: bool = setting(False, "replace the prepared folder at --output")
    append: bool = setting(
        False,
        "add the reviews to the prepared folder at --output. Users and items keep their rows, held-"
        "out reviews stay held out. New reviews go to train unless they carry a split or "
        "--split=ratio is given. --k_core and the text encoders are those of the folder, and "
        "--min_history cannot be lower than it was",
    )

    sha256: str | None = setting(None, "checksum that the raw file must have")

    user_field: str = setting("user_id", "field of user ids (each --…_field is for --source=table)")
    item_field: str = setting("item_id", "field of item ids")
    rating_field: str | None = setting(
        None,
        'field of ratings; default: "rating", if it exists. Empty: no ratings; likewise for the '
        "fields of times, splits and titles",
    )
    text_field: str | None = setting(None, 'field of review texts; default: "text"')
    time_field: str | None = setting(
        None, 'field of times: dates, or Unix times in any unit; default: "timestamp", if it exists'
    )
    split_field: str | None = setting(
        None, 'field of train, valid or test; default: "split", if it exists'
    )
    title_field: str | None = setting(
        None,
        'field of item titles, in --item_metadata (default: "title") or in the reviews; the first '
        "title of an item counts",
    )
    item_metadata: Path | None = setting(
        None,
        "file of item titles and categories (Amazon 2023, or a table with --item_field, "
        "--title_field, categories), or of businesses (Yelp)",
    )
    city: str | None = setting(None, "keep items of one city (Yelp, HotelRec)")
    state: str | None = setting(None, "keep items of one state, such as PA (Yelp)")
    category: str | None = setting(None, "keep items of one category, such as Restaurants (Yelp)")

    k_core: int = setting(
        1, "keep users and items with at least this many reviews; 1: all", minimum=1
    )

    memory: str = setting(
        "2GiB",
        "memory limit; data that does not fit goes to disk. --text_encoder=lsa has its own limit: "
        "2 GiB for up to 100,000 items, and 4 KiB for each further item",
    )
    threads: int | None = setting(None, "threads of DuckDB; default: one per core", minimum=1)

    synthetic_users: int = setting(2000, "number of generated users", minimum=1)
    synthetic_items: int = setting(500, "number of generated items", minimum=1)
    synthetic_reviews_per_user: float = setting(
        10.0, "mean number of generated reviews per user", minimum=1
    )

    def __post_init__(self) -> None:
        if isinstance(self.input, Path):
            object.__setattr__(self, "input", str(self.input))
        super().__post_init__()
        if self.memory_bytes < _LEAST_MEMORY:
            raise ConfigError(f"--memory is {self.memory!r}, must be at least 512MiB")
        if self.source == "synthetic" and self.input:
            raise ConfigError("--input is given, but --source=synthetic generates its data")
        for name in ("user_field", "item_field"):
            if not getattr(self, name):
                raise ConfigError(f"--{name} is empty, but every review needs a user and an item")
        for name, needed in (
            ("text_field", self.text_encoder != "none" and f"text_encoder={self.text_encoder}"),
            ("split_field", self.split == "predefined" and "split=predefined"),
        ):
            if getattr(self, name) == "" and needed:
                raise ConfigError(f"--{name} is empty, but --{needed} needs it")
        if self.append and self.split not in (None, "predefined", "ratio"):
            raise ConfigError(
                f"--append does not allow --split={self.split}; use ratio or leave it out"
            )
        if self.keep_dropped and (self.append or self.split in _NEW_ALONE):
            with_what = "append" if self.append else f"split={self.split}"
            raise ConfigError(
                f"--keep_dropped cannot be used with --{with_what}: some reviews that it keeps "
                "may be later than held-out ones, or of cold items or users"
            )
        if self.sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", self.sha256):
            raise ConfigError(f"--sha256 is {self.sha256!r}, must be 64 hexadecimal digits")

    @property
    def path(self) -> Path:
        """`input`, which is given, as a path."""
        assert self.input is not None
        return Path(self.input)

    @property
    def memory_bytes(self) -> int:
        """The value of `memory` in bytes."""
        match = re.fullmatch(r"([0-9.]+) *([A-Za-z]*)", self.memory)
        try:
            return int(float(match[1]) * _UNITS[match[2]])  # type: ignore[index]
        except (TypeError, KeyError, ValueError):
            raise ConfigError(f"--memory is {self.memory!r}, must be like 2GiB") from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodeSettings(TextSettings):
    """Which text features to add to which folder."""

    dataset: Path = setting(dataclasses.MISSING, "prepared folder to add to")
    text_name: str | None = setting(None, "name of the features; default: that of --text_encoder")
    overwrite: bool = setting(False, "replace features of that name")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.text_encoder_parts:
            raise ConfigError("--text_encoder=none adds nothing")
        name = self.text_name
        if name is not None and (
            not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name) or name in ("none", "auto")
        ):
            raise ConfigError(f"--text_name is {name!r}, must be a plain folder name")
