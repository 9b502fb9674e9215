import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from tests.preparation.folders import by_ids

SYNTHETIC = {"synthetic_users": 40, "synthetic_items": 20, "synthetic_reviews_per_user": 5.0}


def preparation(tmp_path: Path, path: Path | None = None, **settings) -> PrepareSettings:
    defaults = {"source": "table", "input": path, "output": tmp_path / "out"}
    return PrepareSettings(**({"text_encoder": "none"} | defaults | settings))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def split_of_pair(folder: Path) -> dict[tuple[str, str], str]:
    return {pair: row["split"] for pair, row in by_ids(ReviewDataset.load(folder)).items()}


def test_the_folder_holds_what_the_rows_say(tmp_path, rows, write_rows, encoder):
    dataset = prepare(preparation(tmp_path, write_rows(rows)), encoder=encoder)
    table = dataset.reviews()
    names = ("user", "item", "rating", "timestamp", "split", "text")
    kinds = ("int32", "int32", "float", "int64", "string", "string")
    found = [(field.name, str(field.type)) for field in table.schema]
    assert found == list(zip(names, kinds, strict=True))
    users, items = dataset.user_ids(), dataset.item_ids()
    found = table.to_pylist()
    by_pair = {(row["user_id"], row["item_id"]): row for row in rows}
    assert [(row["user"], row["item"]) for row in found] == sorted(
        (row["user"], row["item"]) for row in found
    )
    for row in found:
        raw = by_pair.pop((users[row["user"]], items[row["item"]]))
        assert all(row[name] == raw[name] for name in ("rating", "timestamp", "text"))
    assert not by_pair
    for split in ("train", "valid", "test"):
        pairs = [[row["user"], row["item"]] for row in found if row["split"] == split]
        assert dataset.interactions(split).tolist() == pairs
        assert dataset.manifest.n_interactions[split] == len(pairs)
    statistics = dataset.manifest.statistics
    assert statistics["words"] == sum(len(row["text"].split()) for row in rows)
    assert (statistics["raw_rows"], dataset.manifest.n_reviews) == (78, 78)


def test_the_manifest_tells_how_it_was_made(tmp_path, rows, write_rows, encoder):
    path = write_rows([*rows, rows[0]])
    prepare(preparation(tmp_path, path, k_core=3, name="shop"), encoder=encoder)
    manifest = ReviewDataset.load(tmp_path / "out").manifest
    assert manifest.name == "shop"
    assert manifest.k_core == 3
    assert manifest.split == {"policy": "ratio", "seed": 0, "valid_share": 0.1, "test_share": 0.2}
    assert manifest.source["kind"] == "table"
    (file,) = manifest.source["files"]
    assert (file["name"], file["bytes"]) == ("reviews.jsonl", path.stat().st_size)
    assert manifest.dropped["earlier review of the same user and item"] == 1
    assert manifest.dropped["outside the k-core"] > 0
    assert manifest.n_reviews + sum(manifest.dropped.values()) == 79
    assert manifest.text_encoders == {"recording": {"letters": "a", "width": 2, "dtype": "float32"}}


def test_no_held_out_review_reaches_the_encoder_as_training(tmp_path, rows, write_rows, encoder):
    """Other texts, or none, in valid and test leave every training feature as it was."""
    for number, row in enumerate(rows):
        row["split"] = ("train", "train", "valid", "test")[number % 4]
    prepare(preparation(tmp_path, write_rows(rows)), encoder=encoder)
    before = contents(tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "reviews.parquet")
    assert encoder.seen.is_train.tolist() == [s == "train" for s in table["split"].to_pylist()]
    assert list(encoder.seen.texts) == table["text"].to_pylist()
    np.testing.assert_array_equal(encoder.seen.user, table["user"])

    for row in rows:
        if row["split"] != "train":
            row["text"] = "aaaa" * 50
    prepare(preparation(tmp_path, write_rows(rows), overwrite=True), encoder=encoder)
    after = contents(tmp_path / "out")
    for name in ("text/recording/users.npy", "text/recording/items.npy", "train.npy"):
        assert before[name] == after[name]
    assert before["text/recording/reviews.npy"] != after["text/recording/reviews.npy"]


@pytest.mark.parametrize("split", ["ratio", "leave_one_out", "temporal"])
def test_equal_input_gives_equal_bytes_in_any_order(tmp_path, rows, write_rows, encoder, split):
    settings = {"split": split, "k_core": 2, "name": "x"}
    prepare(preparation(tmp_path, write_rows(rows), **settings), encoder=encoder)
    first = contents(tmp_path / "out")
    again = preparation(tmp_path, write_rows(rows), **settings, output=tmp_path / "again")
    prepare(again, encoder=encoder)
    assert contents(tmp_path / "again") == first
    other = preparation(tmp_path, write_rows(rows[::-1]), **settings, output=tmp_path / "other")
    prepare(other, encoder=encoder)
    reordered = contents(tmp_path / "other")
    # The manifest has the checksum of the raw file, which does differ.
    assert reordered.pop("manifest.json") != first.pop("manifest.json")
    assert reordered == first


def test_predefined_splits_are_kept_and_cold_users_and_items_counted(tmp_path, write_rows):
    splits = {("a", "x"): "train", ("a", "y"): "dev", ("b", "x"): "test", ("b", "z"): "val"}
    rows = [{"user_id": u, "item_id": i, "split": s, "text": ""} for (u, i), s in splits.items()]
    manifest = prepare(preparation(tmp_path, write_rows(rows))).manifest
    assert list(split_of_pair(tmp_path / "out").values()) == ["train", "valid", "test", "valid"]
    assert manifest.split_name == "predefined"
    assert manifest.statistics["users_without_training_review"] == 1
    assert manifest.statistics["items_without_training_review"] == 2
    assert manifest.statistics["reviews_without_text"] == 4
    anew = prepare(preparation(tmp_path, write_rows(rows), split="ratio", overwrite=True)).manifest
    assert anew.split_name == "ratio"
    assert anew.statistics["users_without_training_review"] == 0


def test_a_column_that_is_not_needed_is_left_out(tmp_path, write_rows):
    rows = [{"user_id": "a", "item_id": i, "rating": "B+", "timestamp": "May 1"} for i in range(4)]
    path = write_rows(rows)
    for flag in ("rating_field", "time_field"):
        with pytest.raises(DataError, match=rf"line 1: .*--{flag}= "):
            settings = dict.fromkeys({"rating_field", "time_field"} - {flag}, "")
            prepare(preparation(tmp_path, path, **settings))
    reviews = prepare(preparation(tmp_path, path, rating_field="", time_field="")).reviews()
    assert reviews["rating"].null_count == reviews["timestamp"].null_count == 4


def test_a_row_that_is_dropped_needs_no_time(tmp_path, write_rows):
    rows = [{"user_id": "a", "item_id": f"i{t}", "timestamp": t} for t in range(3)]
    rows = [{"user_id": "a", "item_id": "i1", "timestamp": None}, *rows]
    prepare(preparation(tmp_path, write_rows(rows), split="leave_one_out"))
    by_time = [split for _, split in sorted(split_of_pair(tmp_path / "out").items())]
    assert by_time == ["train", "valid", "test"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, DataError])
def test_nothing_is_left_behind_when_a_stage_fails(tmp_path, rows, write_rows, monkeypatch, error):
    def fail(*arguments, **settings):
        raise error("stop")

    path = write_rows(rows)
    monkeypatch.setattr("symcere_jax.preparation.pipeline.write_tables", fail)
    with pytest.raises(error):
        prepare(preparation(tmp_path, path, output=tmp_path / "new" / "out"))
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_overwrite_leaves_the_old_folder(tmp_path, rows, write_rows):
    prepare(preparation(tmp_path, write_rows(rows)))
    before = contents(tmp_path / "out")
    rows[0]["rating"] = 99
    with pytest.raises(DataError, match="rating is 99"):
        prepare(preparation(tmp_path, write_rows(rows), overwrite=True))
    assert contents(tmp_path / "out") == before


def test_synthetic_data_with_the_real_encoder(tmp_path):
    stages: list[str] = []
    settings = {"text_encoder": "lsa", "text_width": 8, "source": "synthetic", "seed": 3}
    settings = preparation(tmp_path, **settings, **SYNTHETIC)
    dataset = prepare(settings, announce=stages.append)
    assert dataset.text_features("lsa", "items").shape == (dataset.n_items, 8)
    assert dataset.text_features("lsa", "reviews").shape == (dataset.manifest.n_reviews, 8)
    assert dataset.manifest.source["options"]["seed"] == 3
    assert stages[0] == "reading generated reviews"
    assert stages[-1].startswith("writing")
    assert any(stage.startswith("lsa: ") for stage in stages)
    again = dataclasses.replace(settings, output=tmp_path / "again", name="out")
    prepare(again)
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


def test_hotels_end_to_end(tmp_path, write_hotels):
    hotels = {h: [(a, f"hotel {h}", "May 1, 2005", "4") for a in ("ann", "bob")] for h in (1, 2)}
    path = write_hotels(hotels)
    prepare(preparation(tmp_path, path, source="tripadvisor_lara", k_core=2))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    names = [file["name"] for file in manifest["source"]["files"]]
    assert names == ["Texts/hotel_1_parsed.txt", "Texts/hotel_2_parsed.txt"]
    assert ReviewDataset.load(tmp_path / "out").item_ids().tolist() == ["1", "2"]


def as_amazon(rows: list[dict]) -> list[dict]:
    return [
        {"user_id": row["user_id"], "parent_asin": row["item_id"], "rating": 3.0, "title": "",
         "text": row["text"], "timestamp": 10**12 + row["timestamp"]}
        for row in rows
    ]  # fmt: skip


@pytest.fixture
def with_items(tmp_path, rows, write_rows):
    """Settings for reviews on 12 items, and for a file of items."""

    def settings(items, **others):
        return preparation(
            tmp_path, write_rows(as_amazon(rows)), source="amazon_2023",
            item_metadata=write_rows(items, "items.jsonl"), **others,
        )  # fmt: skip

    return settings


@pytest.mark.parametrize("n_known", [0, 1, 12])
def test_items_of_which_the_metadata_has_nothing_are_counted(with_items, n_known):
    items = [{"parent_asin": f"i{n:02}", "title": f"title {n}"} for n in range(n_known)]
    settings = with_items([*items, {"parent_asin": "none", "title": "x"}])
    dataset = prepare(settings)
    assert dataset.manifest.statistics["items_without_metadata"] == 12 - n_known
    table = pq.read_table(dataset.file(schema.ITEMS))
    expected = [f"title {n}" if n < n_known else None for n in range(12)]
    assert table["title"].to_pylist() == expected
    assert table["categories"].to_pylist() == [None] * 12
    titles = dataset.item_titles()
    assert titles is None if n_known == 0 else titles.tolist() == expected
    unknown = prepare(dataclasses.replace(settings, item_metadata=None, overwrite=True))
    assert "items_without_metadata" not in unknown.manifest.statistics


def test_bad_rows_of_item_metadata_are_counted_and_limited(with_items, rows):
    items = [{"parent_asin": f"i{n:02}", "title": f"title {n}"} for n in range(9)]
    settings = with_items([*items, {"title": "no id"}], on_bad_row="skip")
    with pytest.raises(DataError, match=r"1 of 10 rows are bad, more than --max_bad_share=0\.01"):
        prepare(settings)
    statistics = prepare(dataclasses.replace(settings, max_bad_share=0.1)).manifest.statistics
    assert statistics["bad_rows_of_item_metadata"] == 1
    assert statistics["raw_rows"] == len(rows)


@pytest.mark.parametrize(
    "settings", [{"drop_empty_text": True}, {"on_bad_row": "skip", "max_valid_rating": 5.0}]
)
def test_a_file_of_which_no_row_is_left(tmp_path, write_rows, settings):
    path = write_rows([{"user_id": "a", "item_id": "x", "rating": 9}])
    with pytest.raises(DataError, match=r"no review is left of 1 rows \(dropped: 1 "):
        prepare(preparation(tmp_path, path, **settings, max_bad_share=1.0))
