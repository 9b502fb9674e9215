"""The prepared folder: names of its files and columns, and its manifest.

    manifest.json            what is in the folder, how it was made, a checksum of every file and of
                             the manifest itself
    users.parquet            user (int32 row), user_id (string)
    items.parquet            item (int32 row), item_id (string); where known: title, categories
    reviews.parquet          user, item (int32), rating (float32 or null), timestamp (int64 seconds
                             or null), split (string), text (string); sorted by user, then item
    extra_texts.parquet      item (int32), text: training reviews by authors who are not users; if
                             there are any
    train.npy valid.npy test.npy    int32 [n, 2] pairs (user, item), sorted
    text/<encoder>/reviews.npy      float16 [n_reviews, width], row r encodes review r
    text/<encoder>/users.npy        float32 [n_users, width], from training reviews only
    text/<encoder>/items.npy        float32 [n_items, width], from training reviews only
    text/<encoder>/model/           the fitted encoder, for new texts; model.json: its kind

A (user, item) pair occurs in exactly one split. Rows of users and items are dense: 0 … n-1.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, get_origin

from symcere_jax.errors import DataError

FORMAT = "symcere-prepared"
FORMAT_VERSION = 1

MANIFEST = "manifest.json"
USERS = "users.parquet"
ITEMS = "items.parquet"
REVIEWS = "reviews.parquet"
EXTRA_TEXTS = "extra_texts.parquet"
TEXT_FOLDER = "text"
_MAX_BYTES = 1 << 28  # of a manifest
SPLITS = ("train", "valid", "test")
EXTRA = "extra"  # in raw data: a row outside the k-core that may be learned from


def damaged(problem: str) -> DataError:
    """The error for a prepared folder that cannot be used as it is."""
    return DataError(f"{problem}; prepare the data again")


def pairs_file(split: str) -> str:
    """Name of the file that holds the (user, item) pairs of a split."""
    return f"{split}.npy"


def text_file(encoder: str, rows: str) -> str:
    """Name of the file of text features of `rows`: "reviews", "users" or "items"."""
    return f"{TEXT_FOLDER}/{encoder}/{rows}.npy"


def text_model_file(encoder: str, name: str = "model.json") -> str:
    """Name of a file of a fitted text encoder; `model.json` says what kind it is of."""
    return f"{TEXT_FOLDER}/{encoder}/model/{name}"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a prepared folder holds and how it was made."""

    name: str  # short name of the data set, used in tables and messages
    n_users: int
    n_items: int
    n_reviews: int
    n_interactions: Mapping[str, int]  # split -> number of (user, item) pairs
    k_core: int  # every user and item has at least that many reviews; 1 filters nothing
    split: Mapping[str, Any]  # policy, seed and shares of the split
    # Kind, options and, for each raw file, name, bytes and sha256; "appended": an entry for each
    # time that reviews were appended, with the fingerprint from before.
    source: Mapping[str, Any]
    dropped: Mapping[str, int]  # reason -> number of raw rows that were left out
    text_encoders: Mapping[str, Mapping[str, Any]]  # encoder name -> its width, dtype and settings
    # Path within the folder -> {"sha256": …, "bytes": …}, every file but the manifest.
    files: Mapping[str, Mapping[str, Any]]
    # Settings of the cleaning, and how many texts it changed, by kind of change.
    cleaning: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # Counts that take a pass over the reviews: raw rows, words, empty texts.
    statistics: Mapping[str, int] = dataclasses.field(default_factory=dict)
    # Identifies the data that a run was trained on; made of the files where it is not given. Adding
    # text features keeps it; replacing some, or appending reviews, does not.
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if not self.fingerprint:
            content = {path: entry["sha256"] for path, entry in self.files.items()}
            object.__setattr__(self, "fingerprint", _digest(content)[:16])

    def grew_from(self, fingerprint: str) -> bool:
        """Whether a fingerprint is of this data, or of what reviews were appended to."""
        earlier = (entry["fingerprint"] for entry in self.source.get("appended", []))
        return fingerprint in (self.fingerprint, *earlier)

    @property
    def ended_split_policy(self) -> str:
        """How appended reviews made the split differ from its policy; "" where they did not."""
        ends = (entry.get("ends_split_policy") for entry in self.source.get("appended", []))
        return next(filter(None, ends), "")

    @property
    def split_name(self) -> str:
        """Name of the split policy, and whether it held only until reviews were appended."""
        policy = str(self.split.get("policy", "–"))
        return f"{policy} until reviews were appended" if self.ended_split_policy else policy

    @property
    def has_cold_split(self) -> bool:
        """Whether the split policy holds out all reviews of some users, or of some items."""
        return self.split.get("policy") in ("cold_item", "cold_user")

    def write(self, folder: Path) -> None:
        """Writes `manifest.json` into `folder`."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION}
        content |= dataclasses.asdict(self)
        content["checksum"] = _digest(content)
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Reads `manifest.json` of `folder`.

        Raises:
            DataError: the file is missing, is no manifest, has another format version or checksum,
                or an entry is missing or malformed.
        """
        path = folder / MANIFEST
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError(f"{path.stat().st_size} bytes, too large for a manifest")
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"{folder} is not a prepared folder: it has no {MANIFEST}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise damaged(f"{path}: not readable as JSON ({error})") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise DataError(f"{path}: not the manifest of a prepared folder")
        if content.pop("checksum", None) != _digest(content):
            raise damaged(f"{path} has changed since it was written")
        del content["format"]
        version = content.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise damaged(f"{path}: format version {version}, this program reads {FORMAT_VERSION}")
        fields = {field.name: field for field in dataclasses.fields(cls)}
        if content.keys() != fields.keys():
            odd = ", ".join(sorted(content.keys() ^ fields.keys()))
            raise damaged(f"{path}: missing or unknown entries: {odd}")
        for name, value in content.items():
            if not _is_well_formed(fields[name], value):
                raise damaged(f"{path}: entry {name!r} is malformed")
        # Arrays of these lengths are going to be made.
        n_pairs = sum(content["n_interactions"].values())
        for name in ("n_users", "n_items"):
            if content[name] > n_pairs:
                raise damaged(
                    f"{path}: {name} is {content[name]}, but there are {n_pairs} interactions"
                )
        return cls(**content)


def _is_well_formed(field: dataclasses.Field, value: Any) -> bool:
    """Whether an entry of a manifest has its type, and holds what its readers look up in it."""
    kind: Any = get_origin(field.type) or field.type
    if kind is int:
        return _is_count(value)
    if not isinstance(value, kind):
        return False
    if field.name in ("n_interactions", "dropped", "statistics"):
        is_complete = field.name != "n_interactions" or set(value) == set(SPLITS)
        return is_complete and all(map(_is_count, value.values()))
    if field.name == "files":
        return all(
            isinstance(entry, Mapping)
            and _is_count(entry.get("bytes"))
            and isinstance(entry.get("sha256"), str)
            and _stays_inside(name)
            for name, entry in value.items()
        )
    if field.name == "source":
        entries = value.get("appended", [])
        return isinstance(entries, list) and all(
            isinstance(entry, Mapping)
            and isinstance(entry.get("fingerprint"), str)
            and isinstance(entry.get("ends_split_policy", ""), str)
            for entry in entries
        )
    if field.name == "text_encoders":
        return all(
            isinstance(settings, Mapping)
            and _is_count(settings.get("width"))
            and _stays_inside(name)
            for name, settings in value.items()
        )
    return True


def _stays_inside(name: str) -> bool:
    """Whether a name leads to something within the folder."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _digest(content: Mapping[str, Any]) -> str:
    """sha256 of some JSON in any order of its entries."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def file_entry(path: Path) -> dict[str, Any]:
    """Size and sha256 of a file, as the manifest lists them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}
