"""Vectors of reviews that were made elsewhere."""

import dataclasses
from pathlib import Path

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


@dataclasses.dataclass(frozen=True)
class PrecomputedEncoder:
    """Reads a vector for each review; users and items get the mean of training reviews.

    The file is either

    - NumPy's, `[n_reviews, width]`, rows in the order of `reviews.parquet` of the folder, or
    - Parquet, with columns `user_id` and `item_id` (strings) and `embedding` (lists of floats) in
      any order; rows of reviews that the folder does not have are left out.

    Rows are divided by their norm. Further texts cannot be encoded: the features have no `fitted`.
    """

    file: Path | None
    folder: Path  # the prepared folder, whose ids a Parquet file refers to
    scratch: Path | None = None  # as in LsaEncoder

    name = "precomputed"

    def __post_init__(self) -> None:
        if self.file is None:
            raise ConfigError(
                "--text_encoder=precomputed needs --text_embeddings: a .npy file with a row for "
                "each review, or a .parquet file with columns user_id, item_id and embedding"
            )

    def encode(self, reviews: Reviews, *, progress: MessageCallback | None = None) -> TextFeatures:
        """Reads the vectors of all reviews.

        Raises:
            DataError: the file is missing or malformed, has no row for a review, or holds
                values that are no numbers.
        """
        assert self.file is not None
        reviews = reviews.own
        (progress or (lambda stage: None))(f"reading {self.file}")
        if self.file.suffix == ".parquet":
            vectors = self._by_ids(reviews)
        else:
            vectors = self._by_rows()
        self._check(vectors, len(reviews.user))
        n, width = vectors.shape
        blocks = (unit_rows(vectors[start : start + _BLOCK]) for start in range(0, n, _BLOCK))
        rows = collect_rows(blocks, n, width, self.scratch, f"{self.name}_reviews")
        settings = {"file": self.file.name, **schema.file_entry(self.file)}
        return TextFeatures.from_rows(rows, reviews, settings)

    def _by_rows(self) -> np.ndarray:
        assert self.file is not None
        try:
            return load_array(self.file)
        except DataError as error:
            reason = str(error).removesuffix("; prepare the data again")
            raise DataError(f"--text_embeddings: {reason}") from None

    def _by_ids(self, reviews: Reviews) -> np.ndarray:
        """The vectors of a Parquet file, in the order of the reviews."""
        assert self.file is not None
        try:
            table = pq.read_table(self.file, columns=["user_id", "item_id", _COLUMN])
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{self.file}: not a Parquet file with columns user_id, item_id, {_COLUMN} "
                f"({' '.join(str(error).split())})"
            ) from None
        rows = {}
        for kind, file in (("user", schema.USERS), ("item", schema.ITEMS)):
            ids = pq.read_table(self.folder / file, columns=[f"{kind}_id"])[f"{kind}_id"]
            matches = pc.index_in(
                table[f"{kind}_id"].cast(pa.string()), value_set=ids.combine_chunks()
            )
            rows[kind] = matches.fill_null(-1).to_numpy().astype(np.int64)
        is_known = (rows["user"] >= 0) & (rows["item"] >= 0)
        keys = np.where(is_known, rows["user"] * reviews.n_items + rows["item"], -1)
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        twice = first[(counts > 1) & is_known[first]]
        if len(twice):
            raise DataError(
                f"{self.file}, row {twice[0]}: there is a second vector of the same user and item"
            )
        wanted = np.asarray(reviews.user, np.int64) * reviews.n_items + np.asarray(reviews.item)
        places = pc.index_in(pa.array(wanted), value_set=pa.array(keys))
        if places.null_count:
            row = places.is_null().index(True)
            raise DataError(
                f"{self.file}: no vector for {places.null_count} of {len(wanted)} reviews, the "
                f"first of which is row {row} of {schema.REVIEWS}; ids must be as in the raw data"
            )
        lists = table[_COLUMN].combine_chunks()
        lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
        widths = np.unique(pc.list_value_length(lists).fill_null(0).to_numpy())
        if len(widths) != 1 or widths[0] == 0:
            raise DataError(f"{self.file}: vectors of different widths: {widths[:5].tolist()}")
        flat = lists.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
        return flat.reshape(-1, widths[0])[places.to_numpy()]

    def _check(self, vectors: np.ndarray, n_reviews: int) -> None:
        if vectors.ndim != 2 or vectors.dtype.kind != "f" or not vectors.shape[1]:
            raise DataError(
                f"{self.file}: {vectors.dtype} {vectors.shape}, expected floats [reviews, width]"
            )
        if len(vectors) != n_reviews:
            raise DataError(
                f"{self.file}: {len(vectors)} rows, but there are {n_reviews} reviews; rows must "
                f"be those of {schema.REVIEWS}, or come as Parquet with user_id and item_id"
            )
        starts = range(0, n_reviews, _BLOCK)
        blocks = (vectors[start : start + _BLOCK].astype(np.float64) for start in starts)
        sizes = np.concatenate([np.zeros(0), *(np.linalg.norm(part, axis=1) for part in blocks)])
        bad = np.flatnonzero(~np.isfinite(sizes))
        if len(bad):
            raise DataError(f"{self.file}, row {bad[0]}: not a number, in {len(bad)} rows")
        if not sizes.any():
            raise DataError(f"{self.file}: all vectors are 0")
