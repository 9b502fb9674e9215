"""Precomputed vectors of reviews, items or users."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import schema
from symcere_jax.data.dataset import load_array
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.text.encoders.base import Reviews, TextFeatures
from symcere_jax.text.encoders.rows import collect_rows

_BLOCK = 1 << 14
_COLUMN = "embedding"
_IDS = {"user": schema.USERS, "item": schema.ITEMS}


@dataclasses.dataclass(frozen=True)
class PrecomputedEncoder:
    """Reads vectors from a file and divides them by their norm.

    The file is one of

    - `.npy`, float `[n_reviews, width]`, in the order of `reviews.parquet`;
    - `.parquet`, in any order: `embedding` (lists of floats; without it, all columns of floats)
      with `user_id` and `item_id` for vectors of reviews, or with one of them for vectors of users
      or items, which their reviews get, too. Rows of unknown ids are ignored.

    Users and items get the mean of their training reviews unless the file has vectors of their
    kind. Further texts cannot be encoded: `fitted` is None.
    """

    file: Path | None
    folder: Path  # the prepared folder with the ids
    scratch: Path | None = None  # as in `LsaEncoder`

    name = "precomputed"

    def __post_init__(self) -> None:
        if self.file is None:
            raise ConfigError(
                "--text_encoder=precomputed needs --text_embeddings: a .npy file with a row for "
                "each review, or a .parquet file with user_id, item_id or both, and embedding"
            )

    def encode(
        self, reviews: Reviews, announce: MessageCallback = lambda stage: None
    ) -> TextFeatures:
        """Reads the vectors of all reviews.

        Args:
            reviews: with held-out ones.
            announce: called with a few words at the start, and about ids without a vector.

        Raises:
            DataError: the file is missing or malformed, lacks the vector of a review, or has values
                that are not finite.
        """
        assert self.file is not None
        n = reviews.n_own  # others have no vectors; texts are not read
        user, item, is_train = reviews.user[:n], reviews.item[:n], reviews.is_train[:n]
        reviews = dataclasses.replace(reviews, user=user, item=item, is_train=is_train)
        announce(f"reading {self.file}")
        of: dict[str, str] = {}
        own: dict[str, np.ndarray] = {}  # where the vectors of users or of items are in the file
        if self.file.suffix == ".parquet":
            table, kinds = self._table()
            try:
                vectors = self._vectors(table)
                keys = self._keys(table, kinds, reviews.n_items)
            except pa.ArrowException as error:
                raise DataError(
                    f"{self.file}: ids must be strings or whole numbers, and vectors lists of "
                    f"floats ({error})"
                ) from None
            if len(kinds) == 2:
                pairs = reviews.user.astype(np.int64) * reviews.n_items + reviews.item
                places = self._places(keys, pairs, "reviews")
            else:
                kind, rows = kinds[0], f"{kinds[0]}s"
                of = {"of": rows}
                owners = np.arange(getattr(reviews, f"n_{rows}"))
                own[rows] = self._places(keys, owners, rows, announce)
                places = own[rows][getattr(reviews, kind)]
        else:
            vectors = self._array()
            places = np.arange(n)
            if len(vectors) != n:
                raise DataError(
                    f"{self.file}: {len(vectors)} rows, but there are {n} reviews; rows "
                    f"must be those of {schema.REVIEWS}, or come as Parquet with ids"
                )
        self._check(vectors)

        def units(places: np.ndarray) -> np.ndarray:
            return unit_rows(vectors[places]) * (places >= 0)[:, None]

        width = vectors.shape[1]
        blocks = (units(places[start : start + _BLOCK]) for start in range(0, n, _BLOCK))
        collected = collect_rows(blocks, n, width, self.scratch, f"{self.name}_reviews", np.float16)
        settings = {"file": self.file.name, **schema.file_entry(self.file), **of}
        features = TextFeatures.from_rows(collected, reviews, settings)
        given: dict[str, Any] = {rows: units(places) for rows, places in own.items()}
        return dataclasses.replace(features, **given)

    def _array(self) -> np.ndarray:
        assert self.file is not None
        try:
            return load_array(self.file)
        except DataError as error:
            reason = str(error).removesuffix("; prepare the data again")
            raise DataError(f"--text_embeddings: {reason}") from None

    def _table(self) -> tuple[pa.Table, list[str]]:
        """The Parquet file, and the kinds of ids in it."""
        assert self.file is not None
        try:
            table = pq.read_table(self.file)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self.file}: not a readable Parquet file ({error})") from None
        kinds = [kind for kind in _IDS if f"{kind}_id" in table.column_names]
        if not kinds:
            raise DataError(f"{self.file} needs a column user_id, item_id, or both")
        return table, kinds

    def _vectors(self, table: pa.Table) -> np.ndarray:
        if _COLUMN not in table.column_names:
            floats = [name for name in table.column_names if pa.types.is_floating(table[name].type)]
            if not floats:
                raise DataError(f"{self.file} needs a column {_COLUMN}, or columns of floats")
            return np.stack([table[name].to_numpy().astype(np.float32) for name in floats], axis=1)
        lists = table[_COLUMN].combine_chunks()
        lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
        widths = np.unique(pc.list_value_length(lists).fill_null(0).to_numpy())
        if len(widths) != 1 or widths[0] == 0:
            raise DataError(f"{self.file}: vectors of different widths: {widths[:5].tolist()}")
        flat = lists.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
        return flat.reshape(-1, widths[0])

    def _keys(self, table: pa.Table, kinds: list[str], n_items: int) -> np.ndarray:
        """The review, user or item of each row, as a number; −1: unknown."""
        keys = np.zeros(len(table), np.int64)
        for kind in kinds:
            ids = pq.read_table(self.folder / _IDS[kind], columns=[f"{kind}_id"])[f"{kind}_id"]
            own = table[f"{kind}_id"].cast(pa.string())
            codes = pc.index_in(own, value_set=ids.combine_chunks()).fill_null(-1).to_numpy()
            keys = np.where((keys < 0) | (codes < 0), -1, keys * n_items + codes)
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        twice = first[(counts > 1) & (keys[first] >= 0)]
        if len(twice):
            ids = " and ".join(f"{kind}_id" for kind in kinds)
            raise DataError(f"{self.file}, row {twice[0]}: second vector of the same {ids}")
        return keys

    def _places(
        self,
        keys: np.ndarray,
        wanted: np.ndarray,
        what: str,
        announce: MessageCallback | None = None,
    ) -> np.ndarray:
        """The row of each wanted number; −1 without one, which is an error if nobody listens."""
        places = pc.index_in(pa.array(wanted), value_set=pa.array(keys))
        if n_missing := places.null_count:
            missing = f"no vector for {n_missing:,} of {len(wanted):,} {what}"
            if announce is None or n_missing == len(wanted):
                raise DataError(
                    f"{self.file}: {missing}, the first of which is row "
                    f"{places.is_null().index(True)}; ids must be as in the raw data"
                )
            announce(missing)
        return places.fill_null(-1).to_numpy()

    def _check(self, vectors: np.ndarray) -> None:
        if vectors.ndim != 2 or vectors.dtype.kind != "f" or not vectors.shape[1]:
            raise DataError(
                f"{self.file}: {vectors.dtype} {vectors.shape}, expected floats [reviews, width]"
            )
        starts = range(0, len(vectors), _BLOCK)
        blocks = (vectors[start : start + _BLOCK].astype(np.float64) for start in starts)
        sizes = np.concatenate([np.zeros(0), *(np.linalg.norm(part, axis=1) for part in blocks)])
        bad = np.flatnonzero(~np.isfinite(sizes))
        if len(bad):
            raise DataError(f"{self.file}, row {bad[0]}: not finite ({len(bad)} such rows)")
        if not sizes.any():
            raise DataError(f"{self.file}: all vectors are 0")
