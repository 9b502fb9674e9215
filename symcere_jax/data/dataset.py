"""Reading a prepared folder."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.data import schema
from symcere_jax.data.reader import (
    NOT_NUMPY,
    Reader,
    checked_blocks,
    damaged,
    in_all,
    load_together,
    not_numpy,
    unreadable,
)
from symcere_jax.errors import DataError


@dataclasses.dataclass(frozen=True)
class ReviewDataset:
    """A prepared folder, opened: arrays are memory-mapped, texts are read when asked for.

    Attributes:
        folder: where it lies.
        manifest: what it holds and how it was made.
        train: int32 `[n_train, 2]` pairs (user, item), sorted.
        valid: int32 `[n_valid, 2]`.
        test: int32 `[n_test, 2]`.
        reader: reads files together with other processes, arrays into memory; None: this process
            reads by itself.
    """

    folder: Path
    manifest: schema.Manifest
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    reader: Reader | None = dataclasses.field(default=None, kw_only=True, repr=False, compare=False)

    @classmethod
    def load(cls, folder: str | Path, reader: Reader | None = None) -> "ReviewDataset":
        """Opens a prepared folder and checks it against its manifest.

        Args:
            folder: written by `data_prep/prepare.py`.
            reader: reads it together with other processes, which all have to ask the data set for
                the same, in the same order; None: this process reads by itself.

        Raises:
            DataError: a file is missing or has another size, shape or dtype than the manifest says,
                or a pair is out of range; or the processes do not see the same folder.
        """
        folder = Path(folder)
        manifest = in_all(reader, lambda: _read_manifest(folder))
        if reader is not None:
            _check_same(folder / schema.MANIFEST, reader)
        pairs = {split: _load_pairs(folder, split, manifest, reader) for split in schema.SPLITS}
        if not len(pairs["train"]):
            raise DataError(f"{folder / schema.pairs_file('train')} has no interactions")
        return cls(folder, manifest, **pairs, reader=reader)

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
        """Identifies the content of the folder."""
        return self.manifest.fingerprint

    def was(self, fingerprint: str) -> bool:
        """Whether what was made of a folder of that fingerprint is of this one, too.

        True of this content, and of the same before text features were added.
        """
        return self.manifest.was(fingerprint)

    def grew_from(self, fingerprint: str) -> bool:
        """Whether a folder of that fingerprint is this one, or became it by appending reviews."""
        return self.manifest.grew_from(fingerprint)

    def file(self, name: str) -> Path:
        """A file of the folder, once it is sure that it has not changed since it was written.

        Its checksum is computed when it is asked for first, at about a gigabyte a second; with a
        reader, of the bytes that the processes have exchanged.

        Args:
            name: within the folder, as the manifest has it.

        Raises:
            DataError: the file is missing, or has another checksum than the manifest says.
        """
        path = self.folder / name
        if self.reader is None:
            _verify(self.folder, name, self.manifest)
            return path
        entry = _entry(self.folder, name, self.manifest)
        # Whatever the time of its last change, which is not the same for all processes.
        state = (self.reader, path.absolute(), entry["sha256"])
        if state not in _VERIFIED:
            for _ in checked_blocks(path, entry, self.reader):
                pass
            _VERIFIED.add(state)
        return path

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
        """Text features of an encoder, memory-mapped; with a reader, read anew by each call.

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
        n_rows = {
            "users": self.n_users,
            "items": self.n_items,
            "reviews": self.manifest.n_reviews,
        }[rows]
        expected = (n_rows, self.manifest.text_encoders[encoder]["width"])
        features = _load_checked(self.folder, name, self.manifest, self.reader)
        if features.shape != expected or features.dtype.kind != "f":
            raise DataError(
                f"{self.folder / name}: {features.dtype} {features.shape}, expected floats of "
                f"shape {expected}; prepare the data again"
            )
        return features

    def reviews(self, columns: list[str] | None = None) -> pa.Table:
        """The reviews, or some columns of them, in the order of the text features.

        Args:
            columns: names of columns (see `schema`); None: all.

        Raises:
            DataError: the file is not readable, lacks a column, or has another number of rows.
        """
        return self._table(schema.REVIEWS, columns, self.manifest.n_reviews)

    def review_rows(self, split: str) -> np.ndarray:
        """Rows of `reviews` that the interactions of a split come from.

        Args:
            split: "train", "valid" or "test".

        Returns:
            int64 `[n]`, in the order of `interactions(split)`.

        Raises:
            DataError: the reviews do not hold an interaction of the split.
        """
        table = self.reviews(["user", "item", "split"])
        rows = np.flatnonzero(table["split"].to_numpy() == split)
        keys = self._keys(*(table[side].to_numpy()[rows] for side in ("user", "item")))
        order = np.argsort(keys, kind="stable")
        wanted = self._keys(*self.interactions(split).T)
        places = np.minimum(np.searchsorted(keys, wanted, sorter=order), max(len(keys) - 1, 0))
        found = order[places] if len(keys) else places
        if len(wanted) and (not len(keys) or (keys[found] != wanted).any()):
            raise DataError(
                f"{self.folder / schema.REVIEWS} lacks interactions of the {split} split; "
                "prepare the data again"
            )
        return rows[found]

    def is_positive(self, min_rating: float) -> np.ndarray:
        """Which training interactions are rated high enough to count as positives.

        Args:
            min_rating: the lowest rating of a positive; 0: every interaction is one.

        Returns:
            bool `[n_train]`; true where there is no rating.

        Raises:
            DataError: no interaction is left.
        """
        if min_rating <= 0:
            return np.ones(len(self.train), bool)
        ratings = self.reviews(["rating"])["rating"].to_numpy()[self.review_rows("train")]
        positive = ~(ratings < min_rating)
        if not positive.any():
            raise DataError(
                f"--min_rating={min_rating} leaves none of the {len(self.train)} training "
                f"interactions of {self.folder}: lower it"
            )
        return positive

    def _keys(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """A number for each pair of rows."""
        return users.astype(np.int64) * self.n_items + items

    def review_batches(
        self, n_rows: int, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The reviews, some rows at a time, so that memory does not grow with their number.

        Args:
            n_rows: of a batch, at most.
            columns: to read; None reads all.

        Raises:
            DataError: the file is not readable.
        """
        path = self.file(schema.REVIEWS)
        try:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(n_rows, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: not readable ({error}); prepare the data again") from None

    def user_ids(self) -> np.ndarray:
        """External ids of the users, `[n_users]`, by row."""
        return self._table(schema.USERS, ["user_id"], self.n_users)["user_id"].to_numpy()

    def item_ids(self) -> np.ndarray:
        """External ids of the items, `[n_items]`, by row."""
        return self._table(schema.ITEMS, ["item_id"], self.n_items)["item_id"].to_numpy()

    def item_titles(self) -> np.ndarray | None:
        """What the items are called, `[n_items]` strings by row, None where it is not known.

        Returns:
            None where no title of any item is known.
        """
        table = self._table(schema.ITEMS, None, self.n_items)
        if "title" not in table.column_names or table["title"].null_count == self.n_items:
            return None
        return np.array(table["title"].to_pylist(), object)

    def _table(self, name: str, columns: list[str] | None, n_rows: int) -> pa.Table:
        """Columns of a table, which each process reads by itself from a file that is checked."""
        path = self.file(name)
        return in_all(self.reader, lambda: _read_table(path, columns, n_rows))


def _read_manifest(folder: Path) -> schema.Manifest:
    """The manifest of a folder that has all of its files, in their sizes."""
    if not folder.is_dir():
        raise DataError(f"no prepared folder at {folder}")
    manifest = schema.Manifest.read(folder)
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path} is missing; prepare the data again")
        if path.stat().st_size != entry["bytes"]:
            raise DataError(
                f"{path} has {path.stat().st_size} bytes, the manifest says {entry['bytes']}; "
                "prepare the data again"
            )
    return manifest


def _check_same(path: Path, reader: Reader) -> None:
    """Refuses a manifest that is not the one that the other processes see."""
    try:
        shared = b"".join(block.tobytes() for block in reader.blocks(path))
    except OSError as error:
        raise unreadable(path, error) from None

    def check() -> None:
        if path.read_bytes() != shared:
            raise DataError(
                f"{path} is not what the other processes read: give all of them the same folder"
            )

    in_all(reader, check)


_VERIFIED: set[tuple] = set()  # what this process has read, as it was then


def _entry(folder: Path, name: str, manifest: schema.Manifest) -> Mapping[str, Any]:
    entry = manifest.files.get(name)
    if entry is None:
        raise DataError(f"{folder / name} is not in the manifest; prepare the data again")
    return entry


def _verify(folder: Path, name: str, manifest: schema.Manifest) -> None:
    path, entry = folder / name, _entry(folder, name, manifest)
    try:
        status = path.stat()
        state = (path.absolute(), status.st_ino, status.st_mtime_ns, status.st_size)
        if (*state, entry["sha256"]) in _VERIFIED:
            return
        found = schema.file_entry(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if found["sha256"] != entry["sha256"]:
        raise damaged(path)
    _VERIFIED.add((*state, found["sha256"]))


def _load_checked(
    folder: Path, name: str, manifest: schema.Manifest, reader: Reader | None
) -> np.ndarray:
    """An array that has not changed since it was written, not to be written to."""
    path = folder / name
    if reader is None:
        _verify(folder, name, manifest)
        return load_array(path)
    return load_together(path, _entry(folder, name, manifest), reader)


def load_array(path: Path) -> np.ndarray:
    """Maps an array of a prepared folder.

    Args:
        path: a file in NumPy's format.

    Raises:
        DataError: the file is missing or malformed.
    """
    try:
        with np.errstate(over="ignore"):  # of a shape beyond all memory, which is refused
            return np.lib.format.open_memmap(path, mode="r")  # np.load opens archives
    except FileNotFoundError:
        raise DataError(f"{path} is missing; prepare the data again") from None
    except NOT_NUMPY as error:
        raise not_numpy(path, error) from None


def _load_pairs(
    folder: Path, split: str, manifest: schema.Manifest, reader: Reader | None
) -> np.ndarray:
    path = folder / schema.pairs_file(split)
    pairs = _load_checked(folder, schema.pairs_file(split), manifest, reader)
    expected = (manifest.n_interactions[split], 2)
    if pairs.shape != expected or pairs.dtype != np.int32:
        raise DataError(
            f"{path}: {pairs.dtype} {pairs.shape}, expected int32 {expected}; "
            "prepare the data again"
        )
    if len(pairs):
        limits = np.array([manifest.n_users, manifest.n_items])
        bad = np.flatnonzero(((pairs < 0) | (pairs >= limits)).any(axis=1))
        if len(bad):
            raise DataError(
                f"{path}, row {bad[0]}: pair {tuple(map(int, pairs[bad[0]]))} is out of range for "
                f"{manifest.n_users} users and {manifest.n_items} items; prepare the data again"
            )
    return pairs


def _read_table(path: Path, columns: list[str] | None, n_rows: int) -> pa.Table:
    try:
        table = pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: not readable ({error}); prepare the data again") from None
    if len(table) != n_rows:
        raise DataError(f"{path}: {len(table)} rows, expected {n_rows}; prepare the data again")
    return table
