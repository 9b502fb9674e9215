import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from symcere_jax.preparation.encode.add_features import encode_into
from symcere_jax.preparation.select.selection import Selection
from symcere_jax.preparation.write import prepared_tables
from symcere_jax.text.encoders.base import TextFeatures


@pytest.fixture
def selection() -> Selection:
    pairs = np.array([[0, 0], [0, 1], [1, 0]], np.int32)
    return Selection(
        row=np.array([7, 3, 5]),
        user=pairs[:, 0],
        item=pairs[:, 1],
        timestamp=np.array([1, 2, 3]),
        split=np.array([0, 2, 1], np.int8),
        user_codes=np.array([0, 2]),
        item_codes=np.array([1, 3]),
        dropped={},
    )


@pytest.fixture
def filled(make_store):
    store = make_store(
        {
            "row": [3, 5, 7, 9],
            "user_id": ["a", "c", "a", "b"],
            "item_id": ["z", "x", "x", "w"],
            "rating": [3.0, None, 7.0, 9.0],
            "timestamp": [2, 3, None, 9],
            "text": ["two words", " \t", "séven", "none"],
        }
    )
    for kind, names in (("user", list("abc")), ("item", list("wxyz"))):
        codes = pa.array(range(len(names)), pa.int32())
        store.insert(f"{kind}_codes", pa.table({f"{kind}_id": names, kind[0]: codes}))
    return store


def test_ids_are_those_that_are_left(tmp_path, filled, selection):
    _, counts = prepared_tables.write_tables(tmp_path, filled, selection)
    assert "items_without_metadata" not in counts
    users = pq.read_table(tmp_path / "users.parquet")
    assert users.schema == pa.schema({"user": pa.int32(), "user_id": pa.string()})
    assert users.to_pylist() == [{"user": 0, "user_id": "a"}, {"user": 1, "user_id": "c"}]
    assert pq.read_table(tmp_path / "items.parquet")["item_id"].to_pylist() == ["x", "z"]


def test_titles_and_categories_are_those_of_the_items(tmp_path, filled, selection):
    known = {"item_id": ["z", "w", "z"], "title": ["Z", "W", None], "categories": [None, "c", "d"]}
    filled.insert("item_metadata", pa.table(known))
    _, counts = prepared_tables.write_tables(tmp_path, filled, selection, metadata=True)
    assert counts["items_without_metadata"] == 1
    items = pq.read_table(tmp_path / "items.parquet").select(["title", "categories"])
    assert items.to_pylist() == [
        {"title": None, "categories": None},
        {"title": "Z", "categories": "d"},
    ]


@pytest.mark.parametrize("row_group", [1, 2, 100])
def test_reviews_in_the_order_of_the_selection(tmp_path, filled, selection, monkeypatch, row_group):
    monkeypatch.setattr(prepared_tables, "_ROW_GROUP", row_group)
    _, counts = prepared_tables.write_tables(tmp_path, filled, selection)
    assert counts == {"words": 3, "reviews_without_text": 1}
    path = tmp_path / "reviews.parquet"
    names = ("user", "item", "rating", "timestamp", "split", "text")
    found = [tuple(row[name] for name in names) for row in pq.read_table(path).to_pylist()]
    assert found == [
        (0, 0, 7.0, None, "train", "séven"),
        (0, 1, 3.0, 2, "test", "two words"),
        (1, 0, None, 3, "valid", " \t"),
    ]
    assert pq.ParquetFile(path).num_row_groups == -(-3 // row_group)


def test_pairs_of_each_split(tmp_path, filled, selection):
    selection.split[2] = 0
    n_interactions, _ = prepared_tables.write_tables(tmp_path, filled, selection)
    assert n_interactions == {"train": 2, "valid": 0, "test": 1}
    for name, expected in (("train", [[0, 0], [1, 0]]), ("valid", []), ("test", [[0, 1]])):
        pairs = np.load(tmp_path / f"{name}.npy")
        assert (pairs.tolist(), pairs.shape[1], pairs.dtype) == (expected, 2, np.int32)


def test_text_features_in_memory_and_on_disk(tmp_path, encoder, monkeypatch):
    on_disk = np.lib.format.open_memmap(tmp_path / "scratch.npy", "w+", np.float32, (3, 2))
    on_disk[:] = 5

    features = TextFeatures(on_disk, *(np.full((n, 2), n, np.float32) for n in (2, 1)), {})
    monkeypatch.setattr(encoder, "encode", lambda reviews, announce: features)
    encode_into(tmp_path, "letters", encoder, None, print)
    folder = tmp_path / "text" / "letters"
    assert np.load(folder / "items.npy").tolist() == [[1, 1]]
    assert np.load(folder / "reviews.npy").tolist() == [[5, 5]] * 3
    assert not (tmp_path / "scratch.npy").exists()
    entries = prepared_tables.file_entries(tmp_path)
    assert list(entries) == sorted(entries)
    assert entries["text/letters/reviews.npy"]["bytes"] == 128 + 3 * 2 * 4
