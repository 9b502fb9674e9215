"""Reading a prepared folder."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from symcere_jax.data import schema
from symcere_jax.data.stored_files import (
    check_sizes,
    load_array,
    load_pairs,
    read_batches,
    read_table,
    verify,
)
from symcere_jax.errors import DataError


@dataclasses.dataclass(frozen=True, repr=False)
class ReviewDataset:
    """A prepared folder, opened: arrays are memory-mapped, texts are read on request.

    Attributes:
        folder: its path.
        manifest: its content and how it was made.
        train: int32 `[n_train, 2]` pairs (user, item), sorted.
        valid: int32 `[n_valid, 2]`.
        test: int32 `[n_test, 2]`.
    """

    folder: Path
    manifest: schema.Manifest
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    @classmethod
    def load(cls, folder: str | Path) -> "ReviewDataset":
        """Opens a prepared folder and checks it against its manifest.

        Raises:
            DataError: a file is missing or has another size, shape or dtype than the manifest says,
                or a pair is out of range.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(f"no prepared folder at {folder}")
        manifest = schema.Manifest.read(folder)
        check_sizes(folder, manifest.files)
        pairs = {}
        for split in schema.SPLITS:
            name = schema.pairs_file(split)
            verify(folder / name, manifest.files.get(name))
            pairs[split] = load_pairs(
                folder / name, manifest.n_interactions[split], manifest.n_users, manifest.n_items
            )
        if not len(pairs["train"]):
            raise DataError(f"{folder / schema.pairs_file('train')} has no interactions")
        return cls(folder, manifest, **pairs)

    def __repr__(self) -> str:
        """What it is, in a line."""
        size = f"{self.n_users:,} users, {self.n_items:,} items"
        split = ", ".join(f"{name} {n:,}" for name, n in self.manifest.n_interactions.items())
        return f"ReviewDataset({str(self.folder)!r}: {size}, {split})"

    @property
    def name(self) -> str:
        """Short name of the data set."""
        return self.manifest.name

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.manifest.n_users

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.manifest.n_items

    @property
    def fingerprint(self) -> str:
        """Identifies the data that a run is trained on."""
        return self.manifest.fingerprint

    def file(self, name: str) -> Path:
        """A file of the folder that has not changed since it was written, by its name within.

        Raises:
            DataError: the file is missing, or has another checksum than the manifest says.
        """
        verify(self.folder / name, self.manifest.files.get(name))
        return self.folder / name

    def interactions(self, split: str) -> np.ndarray:
        """Pairs (user, item) of a split, int32 `[n, 2]`."""
        if split not in schema.SPLITS:
            raise ValueError(f"split is {split!r}, must be one of {', '.join(schema.SPLITS)}")
        return getattr(self, split)

    def user_counts(self) -> np.ndarray:
        """Number of training interactions of each user, int64 `[n_users]`."""
        return np.bincount(self.train[:, 0], minlength=self.n_users)

    def item_counts(self) -> np.ndarray:
        """Number of training interactions of each item, int64 `[n_items]`."""
        return np.bincount(self.train[:, 1], minlength=self.n_items)

    def text_features(self, encoder: str, rows: str) -> np.ndarray:
        """Text features of an encoder, memory-mapped.

        Args:
            encoder: name of a text encoder that the folder was prepared with.
            rows: "users", "items" (both from training reviews only) or "reviews".

        Returns:
            float array `[n_users | n_items | n_reviews, width]`.

        Raises:
            DataError: the folder has no such features, or their shape is not the manifest's.
        """
        if encoder not in self.manifest.text_encoders:
            known = ", ".join(self.manifest.text_encoders) or "none"
            raise DataError(
                f"{self.folder} has no text features of encoder {encoder!r} (it has: {known}); "
                f"prepare it with --text_encoder={encoder}, or choose another --text_encoder"
            )
        name = schema.text_file(encoder, rows)
        shape = getattr(self.manifest, f"n_{rows}"), self.manifest.text_encoders[encoder]["width"]
        return load_array(self.file(name), shape, np.floating)

    def reviews(self, columns: list[str] | None = None) -> pa.Table:
        """The reviews, or some of their columns, in the order of the text features.

        Raises:
            DataError: the file is not readable, lacks a column, or has another number of rows.
        """
        return read_table(self.file(schema.REVIEWS), columns, self.manifest.n_reviews)

    def has_times(self) -> bool:
        """Whether reviews have times, and not all the same.

        Raises:
            DataError: the reviews are not readable.
        """
        times = pc.min_max(self.reviews(["timestamp"])["timestamp"])
        return times["min"] != times["max"]

    def review_rows(self, split: str) -> np.ndarray:
        """Rows of `reviews` of the interactions of a split, int64 `[n]`; both are sorted alike.

        Raises:
            DataError: the reviews are not those of the interactions.
        """
        table = self.reviews(["user", "item", "split"])
        rows = np.flatnonzero(table["split"].to_numpy() == split)
        pairs = np.stack([table[side].to_numpy()[rows] for side in ("user", "item")], axis=1)
        if not np.array_equal(pairs, self.interactions(split)):
            raise schema.damaged(
                f"{self.folder / schema.REVIEWS} does not have the interactions of split {split}"
            )
        return rows

    def is_positive(self, min_rating: float, split: str = "train") -> np.ndarray:
        """Which interactions are rated high enough to count as positives.

        Args:
            min_rating: the lowest rating of a positive; 0: every interaction is one.
            split: of the interactions.

        Returns:
            bool `[n]`; true where there is no rating.

        Raises:
            DataError: no interaction is left.
        """
        if min_rating <= 0:
            return np.ones(len(self.interactions(split)), bool)
        ratings = self.reviews(["rating"])["rating"].to_numpy()[self.review_rows(split)]
        positive = ~(ratings < min_rating)
        if not positive.any():
            raise DataError(
                f"--min_rating={min_rating} leaves none of the {len(positive)} interactions of "
                f"split {split} of {self.folder}: lower it"
            )
        return positive

    def review_batches(
        self, n_rows: int, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The reviews, or some of their columns, at most `n_rows` at a time.

        Raises:
            DataError: the file is not readable.
        """
        yield from read_batches(self.file(schema.REVIEWS), n_rows, columns)

    def extra_texts(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """Items and texts of training reviews by authors who are not users, some at a time.

        Raises:
            DataError: the file is not readable.
        """
        if schema.EXTRA_TEXTS in self.manifest.files:
            yield from read_batches(self.file(schema.EXTRA_TEXTS), n_rows)

    def extra_counts(self) -> np.ndarray:
        """Number of such texts of each item, int64 `[n_items]`."""
        counts = np.zeros(self.n_items, np.int64)
        for batch in self.extra_texts(1 << 16):
            counts += np.bincount(batch.column("item").to_numpy(), minlength=self.n_items)
        return counts

    def user_ids(self) -> np.ndarray:
        """External ids of the users, `[n_users]`, by row."""
        return read_table(self.file(schema.USERS), ["user_id"], self.n_users)["user_id"].to_numpy()

    def item_ids(self) -> np.ndarray:
        """External ids of the items, `[n_items]`, by row."""
        return read_table(self.file(schema.ITEMS), ["item_id"], self.n_items)["item_id"].to_numpy()

    def has_integer_ids(self, kind: str) -> bool:
        """Whether all data came with integers as ids of a kind, "user" or "item"."""
        appended = self.manifest.source.get("appended", [])
        sources = [self.manifest.source, *(entry["added"] for entry in appended)]
        return all(kind in source["options"].get("integer_ids", ()) for source in sources)

    def item_titles(self) -> np.ndarray | None:
        """Titles of the items, `[n_items]` strings by row or None; None if no title is known."""
        table = read_table(self.file(schema.ITEMS), None, self.n_items)
        if "title" not in table.column_names or table["title"].null_count == self.n_items:
            return None
        return np.array(table["title"].to_pylist(), object)
