"""Checks that the files of a prepared folder are complete and consistent.

Each check yields the problems that it finds in an opened folder, and may fail if a file is too
damaged to be read.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.preparation.write.prepared_tables import REVIEW_SCHEMA

_BATCH_ROWS = 1 << 16
_COLUMNS = {
    schema.USERS: {"user": pa.int32(), "user_id": pa.string()},
    schema.ITEMS: {"item": pa.int32(), "item_id": pa.string()},
    # Without Arrow's own schema, texts are read back as plain strings.
    schema.REVIEWS: {f.name: f.type for f in REVIEW_SCHEMA} | {"text": pa.string()},
}
_MAY_BE_NULL = ("rating", "timestamp")


def check_files(dataset: ReviewDataset) -> Iterator[str]:
    """Every file has the size and checksum that the manifest says, and there is no other file."""
    files = dataset.manifest.files
    for name, entry in files.items():
        if schema.file_entry(dataset.folder / name) != dict(entry):
            yield f"{name}: the checksum is not that of the manifest"
    present = {
        path.relative_to(dataset.folder).as_posix()
        for path in dataset.folder.rglob("*")
        if path.is_file()
    }
    for name in sorted(present - set(files) - {schema.MANIFEST}):
        yield f"{name} is not in the manifest"


def check_tables(dataset: ReviewDataset) -> Iterator[str]:
    """The tables are readable, hold valid UTF-8, and have their columns, types and no null."""
    for name, kinds in _COLUMNS.items():
        with pq.ParquetFile(dataset.folder / name) as file:
            actual = dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True))
            wrong = [column for column, kind in kinds.items() if actual.get(column) != kind]
            if wrong:
                yield f"{name}: columns are missing or of another type: {', '.join(wrong)}"
                continue
            n_null = dict.fromkeys(kinds, 0)
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(kinds)):
                batch.validate(full=True)
                for column in kinds:
                    n_null[column] += batch.column(column).null_count
        for column, n_rows in n_null.items():
            if n_rows and column not in _MAY_BE_NULL:
                yield f"{name}: {n_rows} rows have no {column}"


def check_counts(dataset: ReviewDataset) -> Iterator[str]:
    """The counts of the manifest add up, and are those of the folder."""
    manifest = dataset.manifest
    n_pairs = sum(manifest.n_interactions.values())
    if n_pairs != manifest.n_reviews:
        yield f"{manifest.n_reviews} reviews, but {n_pairs} pairs over all splits"
    counted = dict(manifest.statistics)
    n_dropped = sum(manifest.dropped.values())
    n_kept = manifest.n_reviews + counted.get("extra_texts", 0)
    if counted.get("raw_rows", -1) != n_dropped + n_kept:
        yield (
            f"{counted.get('raw_rows')} raw rows are not {n_dropped} dropped and {n_kept} kept ones"
        )
    n_extra = int(dataset.extra_counts().sum())
    if n_extra != counted.get("extra_texts", 0):
        yield f"{schema.EXTRA_TEXTS} has {n_extra} rows, the manifest says otherwise"
    for name, counts in (("users", dataset.user_counts()), ("items", dataset.item_counts())):
        n_cold = int((counts == 0).sum())
        if counted.get(f"{name}_without_training_review") != n_cold:
            yield f"{n_cold} {name} have no training review, the manifest says otherwise"


def check_ids(dataset: ReviewDataset) -> Iterator[str]:
    """Rows of users and items are 0 … n − 1, in the order of their ids, which occur once."""
    for name, column, n in (
        (schema.USERS, "user", dataset.n_users),
        (schema.ITEMS, "item", dataset.n_items),
    ):
        table = pq.read_table(dataset.folder / name, columns=[column, f"{column}_id"])
        if not np.array_equal(table[column].to_numpy(), np.arange(n)):
            yield f"{name}: rows are not 0 … {n - 1}"
        ids = table[f"{column}_id"].combine_chunks()
        in_order = ids
        if dataset.manifest.source.get("appended"):  # new ids follow those that were there
            in_order = ids.take(pc.array_sort_indices(ids))
        less = pc.less(in_order[:-1], in_order[1:])
        if ids.null_count or not pc.all(less, min_count=0).as_py():
            yield f"{name}: ids are missing, repeated or not sorted"


def check_reviews(dataset: ReviewDataset) -> Iterator[str]:
    """Reviews are sorted by user and item without repeats, in range, and split as the pairs say."""
    table = dataset.reviews(["user", "item", "split"])
    user, item = (table[name].to_numpy() for name in ("user", "item"))
    for rows, n, name in ((user, dataset.n_users, "user"), (item, dataset.n_items, "item")):
        if not (rows.min() >= 0 and rows.max() < n):
            yield f"{schema.REVIEWS}: a {name} is out of range 0 … {n - 1}"
            return
    if (np.diff(user.astype(np.int64) * dataset.n_items + item) <= 0).any():
        yield f"{schema.REVIEWS}: not sorted by user and item, or a pair occurs twice"
    if not pc.all(pc.is_in(table["split"], pa.array(schema.SPLITS))).as_py():
        yield f"{schema.REVIEWS}: splits without a known name"
    pairs = np.stack([user, item], axis=1)
    for name in schema.SPLITS:
        of_split = pairs[pc.equal(table["split"], name).fill_null(False).to_numpy()]
        if not np.array_equal(of_split, dataset.interactions(name)):
            yield f"{schema.pairs_file(name)} differs from the reviews of that split"


def check_core(dataset: ReviewDataset) -> Iterator[str]:
    """Every user and item has as many reviews as the k-core says, or nothing held out."""
    k = dataset.manifest.k_core
    dropped_later = any(reason.startswith("held out") for reason in dataset.manifest.dropped)
    users, items = np.concatenate([dataset.interactions(name) for name in schema.SPLITS]).T
    if dataset.manifest.statistics.get("extra_reviews"):
        held_out = np.concatenate([dataset.valid, dataset.test])[:, 0]
        fewest = int(np.bincount(users)[held_out].min(initial=k))
        if fewest < k:
            yield f"a user with {fewest} reviews is held out, the manifest says k-core {k}"
        return
    for name, rows, n in (("user", users, dataset.n_users), ("item", items, dataset.n_items)):
        fewest = int(np.bincount(rows, minlength=n).min())
        if fewest < (1 if dropped_later else k):
            yield f"a {name} has {fewest} reviews, the manifest says k-core {k}"


def check_features(dataset: ReviewDataset) -> Iterator[str]:
    """Text features, also those made elsewhere, have their shape and are finite numbers."""
    for encoder in dataset.manifest.text_encoders:
        for rows in ("users", "items", "reviews"):
            features = dataset.text_features(encoder, rows)
            starts = range(0, len(features), _BATCH_ROWS)
            blocks = (features[start : start + _BATCH_ROWS] for start in starts)
            n_bad = sum(int((~np.isfinite(block).all(axis=1)).sum()) for block in blocks)
            if n_bad:
                yield f"{schema.text_file(encoder, rows)}: {n_bad} rows are not finite"
