import dataclasses
import json
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError


@pytest.fixture
def folder(dataset, tmp_path):
    """A copy of the prepared folder, to be damaged."""
    return shutil.copytree(dataset.folder, tmp_path / "prepared")


def _declare(folder, **entries):
    """Makes the manifest fit the files again, as if it had been prepared so."""
    manifest = schema.Manifest.read(folder)
    files = {name: schema.file_entry(folder / name) for name in manifest.files}
    dataclasses.replace(manifest, files=files, **entries).write(folder)


def _save_pairs(folder, split, pairs):
    np.save(folder / schema.pairs_file(split), pairs)
    counts = schema.Manifest.read(folder).n_interactions
    _declare(folder, n_interactions={**counts, split: len(pairs)})


def _save_table(folder, name, table):
    pq.write_table(table, folder / name)
    _declare(folder)


def test_a_folder_is_what_its_manifest_says(dataset):
    manifest = json.loads((dataset.folder / "manifest.json").read_text(encoding="utf-8"))
    assert dataset.name == manifest["name"] == "small"
    assert (dataset.n_users, dataset.n_items) == (manifest["n_users"], manifest["n_items"])
    assert dataset.fingerprint == dataset.manifest.fingerprint
    for split in ("train", "valid", "test"):
        pairs = dataset.interactions(split)
        assert pairs.dtype == np.int32
        assert pairs.shape == (manifest["n_interactions"][split], 2)
        assert len(pairs)
        np.testing.assert_array_equal(pairs, np.unique(pairs, axis=0))
    assert ReviewDataset.load(str(dataset.folder)).manifest == dataset.manifest
    assert len(dataset.user_ids()) == len(set(dataset.user_ids())) == dataset.n_users
    assert len(dataset.item_ids()) == len(set(dataset.item_ids())) == dataset.n_items


def test_counts_are_those_of_the_training_interactions(dataset):
    users, items = [0] * dataset.n_users, [0] * dataset.n_items
    for user, item in dataset.train.tolist():
        users[user] += 1
        items[item] += 1
    assert dataset.user_counts().tolist() == users
    assert dataset.item_counts().tolist() == items


def test_reviews_are_the_interactions(dataset):
    reviews = dataset.reviews(["user", "item", "split"]).to_pydict()
    assert list(reviews) == ["user", "item", "split"]
    pairs = np.stack([reviews["user"], reviews["item"]], axis=1)
    for split in ("train", "valid", "test"):
        rows = np.array(reviews["split"]) == split
        np.testing.assert_array_equal(pairs[rows], dataset.interactions(split))
    names = dataset.reviews().column_names
    assert names == ["user", "item", "rating", "timestamp", "split", "text"]
    batches = list(dataset.review_batches(7, ["user", "split"]))
    assert max(map(len, batches)) == 7
    assert pa.Table.from_batches(batches) == dataset.reviews(["user", "split"])


@pytest.mark.parametrize(
    ("rows", "dtype"), [("users", np.float32), ("items", np.float32), ("reviews", np.float16)]
)
def test_text_features_are_mapped_into_memory(dataset, rows, dtype):
    features = dataset.text_features("lsa", rows)
    assert isinstance(features, np.memmap)
    assert features.dtype == dtype
    assert features.shape == (getattr(dataset.manifest, f"n_{rows}"), 16)
    assert np.isfinite(features).all()
    assert np.abs(features).max() > 0.1


def test_float16_text_features_are_read(folder):
    path = folder / schema.text_file("lsa", "items")
    halves = np.load(path).astype(np.float16)
    np.save(path, halves)
    _declare(folder)
    np.testing.assert_array_equal(ReviewDataset.load(folder).text_features("lsa", "items"), halves)


def test_a_split_that_is_none(dataset):
    with pytest.raises(ValueError, match="split is 'dev', must be one of train, valid, test"):
        dataset.interactions("dev")


def test_an_encoder_that_the_folder_lacks(dataset, dataset_without_text):
    with pytest.raises(DataError, match=r"no text features of encoder 'bert' \(it has: lsa\)"):
        dataset.text_features("bert", "users")
    with pytest.raises(DataError, match=r"\(it has: none\); prepare it with --text_encoder=lsa"):
        dataset_without_text.text_features("lsa", "users")


def test_no_folder(tmp_path, dataset):
    for path in (tmp_path / "absent", dataset.folder / "manifest.json"):
        with pytest.raises(DataError, match=f"^no prepared folder at {re.escape(str(path))}$"):
            ReviewDataset.load(path)


def test_every_file_must_be_there_in_its_size(folder, dataset):
    files = dataset.manifest.files
    assert len(files) == 9 + 4  # and the four of the fitted encoder
    for name in files:
        path = folder / name
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(DataError, match=f"{re.escape(str(path))} is missing; prepare"):
            ReviewDataset.load(folder)
        path.write_bytes(content[:-1])
        sizes = f"has {len(content) - 1} bytes, the manifest says {len(content)}; prepare"
        with pytest.raises(DataError, match=f"{re.escape(str(path))} {sizes}"):
            ReviewDataset.load(folder)
        path.write_bytes(content)
    assert ReviewDataset.load(folder).fingerprint == dataset.fingerprint


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda pairs: pairs.astype(np.int64), r"int64 \(N, 2\)"),
        (lambda pairs: pairs.astype(np.float32), r"float32 \(N, 2\)"),
        (lambda pairs: pairs[:, :1], r"int32 \(N, 1\)"),
        (lambda pairs: pairs[:, 0], r"int32 \(N,\)"),
        (lambda pairs: pairs[:-1], r"int32 \(M, 2\)"),
    ],
)
def test_pairs_of_a_wrong_type_or_shape(folder, dataset, change, found):
    n = len(dataset.valid)
    _save_pairs(folder, "valid", change(dataset.valid))
    _declare(folder, n_interactions=dataset.manifest.n_interactions)
    found = found.replace("N", str(n)).replace("M", str(n - 1))
    with pytest.raises(
        DataError, match=rf"valid\.npy: {found}, expected int32 \({n}, 2\); prepare"
    ):
        ReviewDataset.load(folder)


@pytest.mark.parametrize("pair", [(120, 0), (-1, 0), (0, -1), (0, 50), (2**31 - 1, 0)])
def test_a_pair_out_of_range_is_named_with_its_row(folder, dataset, pair):
    assert (dataset.n_users, dataset.n_items) == (120, 50)
    pairs = np.array(dataset.train)
    pairs[7] = pair
    _save_pairs(folder, "train", pairs)
    message = rf"train\.npy, row 7: pair {re.escape(str(pair))} is out of range for 120 users and "
    with pytest.raises(DataError, match=message):
        ReviewDataset.load(folder)


def test_no_training_interactions(folder):
    _save_pairs(folder, "train", np.zeros((0, 2), np.int32))
    with pytest.raises(DataError, match=r"train\.npy has no interactions$"):
        ReviewDataset.load(folder)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_nothing_held_out_is_no_error(folder, split):
    _save_pairs(folder, split, np.zeros((0, 2), np.int32))
    assert ReviewDataset.load(folder).interactions(split).shape == (0, 2)


def test_pairs_that_are_no_array(folder):
    content = np.array([{"a": 1}], object)
    for write in (
        lambda path: path.write_bytes(b"no array"),
        lambda path: path.write_bytes(b""),
        lambda path: np.save(path, content, allow_pickle=True),  # never unpickled
    ):
        write(folder / "valid.npy")
        _declare(folder)
        with pytest.raises(DataError, match=r"valid\.npy: not a NumPy file \(.*\); prepare"):
            ReviewDataset.load(folder)


@pytest.mark.parametrize(
    "change", [lambda x: x[:-1], lambda x: x[:, :-1], lambda x: x.astype(np.int32), lambda x: x[0]]
)
def test_text_features_of_a_wrong_type_or_shape(folder, change):
    path = folder / schema.text_file("lsa", "items")
    np.save(path, change(np.load(path)))
    _declare(folder)
    opened = ReviewDataset.load(folder)
    with pytest.raises(DataError, match=r"items\.npy: .* expected floating \(50, 16\)"):
        opened.text_features("lsa", "items")
    path.unlink()
    with pytest.raises(DataError, match=r"items\.npy is missing; prepare"):
        opened.text_features("lsa", "items")


TABLES = {
    "users.parquet": lambda data: data.user_ids(),
    "items.parquet": lambda data: data.item_ids(),
    "reviews.parquet": lambda data: data.reviews(["text"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_table_is_named(folder, name):
    path, read = folder / name, TABLES[name]
    table = pq.read_table(path)
    _save_table(folder, name, table.slice(1))
    with pytest.raises(DataError, match=f"{name}: {len(table) - 1} rows, expected {len(table)};"):
        read(ReviewDataset.load(folder))
    _save_table(folder, name, pa.table({"other": np.arange(len(table))}))
    with pytest.raises(DataError, match=rf"{name}: not readable \(.*(user_id|item_id|text)"):
        read(ReviewDataset.load(folder))
    path.write_bytes(b"PAR1 and nothing else")
    _declare(folder)
    with pytest.raises(DataError, match=rf"{name}: not readable \((.|\n)*\); prepare"):
        read(ReviewDataset.load(folder))


def _save_reviews(folder, table):
    """A folder of these reviews, in their order."""
    _save_table(folder, schema.REVIEWS, table)
    return ReviewDataset.load(folder)


def test_rows_of_the_reviews_of_a_split(dataset):
    reviews = dataset.reviews(["user", "item", "split"])
    for split in ("train", "valid", "test"):
        rows = dataset.review_rows(split)
        found = reviews.take(rows).to_pydict()
        pairs = np.stack([found["user"], found["item"]], axis=1)
        np.testing.assert_array_equal(pairs, dataset.interactions(split))
        assert set(found["split"]) == {split}


@pytest.mark.parametrize(
    "change", [lambda table: table.take(np.arange(len(table))[::-1]), lambda table: table.slice(1)]
)
def test_reviews_of_other_interactions_are_refused(folder, change):
    table = change(pq.read_table(folder / schema.REVIEWS))
    manifest = dataclasses.replace(schema.Manifest.read(folder), n_reviews=len(table))
    manifest.write(folder)
    with pytest.raises(DataError, match="not have the interactions of split train; prepare"):
        _save_reviews(folder, table).review_rows("train")


def test_positives_are_rated_at_least_so_or_not_at_all(folder):
    table = pq.read_table(folder / schema.REVIEWS)
    ratings = table["rating"].to_pylist()
    ratings[::3] = [None] * len(ratings[::3])
    column, kind = table.schema.get_field_index("rating"), table.schema.field("rating")
    table = table.set_column(column, kind, pa.array(ratings, kind.type))
    dataset = _save_reviews(folder, table)
    rows = dataset.reviews(["user", "item", "rating"]).to_pylist()
    by_pair = {(row["user"], row["item"]): row["rating"] for row in rows}
    of_train = [by_pair[user, item] for user, item in dataset.train.tolist()]
    assert None in of_train
    lowest, *_, highest = sorted({rating for rating in of_train if rating is not None})
    for minimum in (0.0, lowest, lowest + 0.25, highest, highest + 1):
        expected = [rating is None or rating >= minimum for rating in of_train]
        found = dataset.is_positive(minimum)
        assert found.dtype == bool
        np.testing.assert_array_equal(found, expected)


def test_no_positive_at_all_is_refused(dataset):
    n_train = len(dataset.train)
    message = f"--min_rating=9 leaves none of the {n_train} interactions of split train .*lower"
    with pytest.raises(DataError, match=message):
        dataset.is_positive(9)
