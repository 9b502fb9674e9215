import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.encode.add_features import EncodeSettings, add_text
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.text import load_text_encoder
from tests.preparation.folders import by_ids, problems, row_of, write_json

WORDS = "pool beach lobby spa bar suite view metro garden terrace sauna gym".split()  # noqa: SIM905


def make_rows(n_users, n_items, seed):
    rng = np.random.default_rng(seed)
    return [
        row_of(f"u{user:02}", f"i{item:02}", " ".join(rng.choice(WORDS, 6)), 1000 + user)
        for user in range(n_users)
        for item in rng.choice(n_items, 5, replace=False)
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder, and the same with reviews appended: known and new users and items, a known pair."""
    folder = tmp_path_factory.mktemp("append")
    first = make_rows(20, 12, 0)
    taken = {(row["user_id"], row["item_id"]) for row in first}
    more = [
        row
        for row in make_rows(24, 15, 1)
        if (row["user_id"], row["item_id"]) not in taken and row["user_id"] >= "u05"
    ]
    # Ids that would come first if all were numbered anew.
    more.append({**more[-1], "user_id": "a new one", "item_id": "a new thing"})
    repeated = {**first[0], "text": "another text", "timestamp": 10**6}
    for name, rows in (("first", first), ("more", [*more, repeated])):
        write_json(folder / f"{name}.jsonl", rows)
    settings = PrepareSettings(
        source="table", input=folder / "first.jsonl", output=folder / "data", text_width=8
    )
    prepare(settings)
    before = ReviewDataset.load(settings.output)
    kept = {
        "tables": before.reviews().to_pylist(),
        "users": np.array(before.text_features("lsa", "users")),
        "ids": (before.user_ids(), before.item_ids()),
    }
    again = dataclasses.replace(settings, input=folder / "more.jsonl", append=True)
    return before, kept, prepare(again), more, again


def test_ids_keep_their_rows_and_new_ones_follow_in_order(folders):
    _, kept, after, *_ = folders
    for old, new in zip(kept["ids"], (after.user_ids(), after.item_ids()), strict=True):
        assert new[: len(old)].tolist() == old.tolist()
        assert len(new) > len(old) and sorted(new[len(old) :]) == new[len(old) :].tolist()
    assert after.user_ids()[20] == "a new one"


def test_what_was_there_stays_and_what_is_new_goes_to_train(folders):
    _, kept, after, more, _ = folders
    users, items = kept["ids"]
    old = {(users[row["user"]], items[row["item"]]): row for row in kept["tables"]}
    new = by_ids(after)
    for pair, row in old.items():
        assert {**new[pair], "user": 0, "item": 0} == {**row, "user": 0, "item": 0}
    added = {(row["user_id"], row["item_id"]): row["text"] for row in more}
    assert set(new) - set(old) == set(added)
    for pair, text in added.items():
        assert (new[pair]["split"], new[pair]["text"]) == ("train", text)


def test_counts_and_where_it_came_from(folders):
    before, _, after, more, _ = folders
    assert after.manifest.dropped["review of a user and item that had one already"] == 1
    assert after.manifest.n_reviews == before.manifest.n_reviews + len(more)
    [entry] = after.manifest.source["appended"]
    assert entry["fingerprint"] == before.fingerprint
    assert entry["n_users"] == before.n_users
    assert [file["name"] for file in entry["added"]["files"]] == ["more.jsonl"]


def test_the_folder_is_sound_down_to_its_text_features(folders):
    _, _, after, *_ = folders
    assert problems(after, encode=True) == []


def test_the_encoder_is_the_one_that_was_fitted(folders):
    before, kept, after, *_ = folders
    # A user without a new training review has the features of before.
    trained = [set(map(tuple, data.train.tolist())) for data in (before, after)]
    n_of = [np.bincount(data.train[:, 0], minlength=after.n_users) for data in (before, after)]
    same = np.flatnonzero(n_of[0] == n_of[1])
    assert trained[0] < trained[1] and 0 < len(same) < after.n_users
    features = after.text_features("lsa", "users")
    np.testing.assert_allclose(features[same], kept["users"][same], atol=1e-6)


def test_nothing_new_is_an_error_and_changes_nothing(folders):
    *_, after, _, again = folders
    with pytest.raises(DataError, match=r"nothing in .*more.jsonl is new to"):
        prepare(again)
    assert ReviewDataset.load(after.folder).fingerprint == after.fingerprint
    with pytest.raises(ConfigError, match="--append does not allow --split=cold_item"):
        prepare(dataclasses.replace(again, split="cold_item"))
    with pytest.raises(DataError, match="no prepared folder at"):
        prepare(dataclasses.replace(again, output=after.folder.with_name("absent")))


def test_a_share_of_the_new_may_be_held_out(folders, tmp_path):
    *_, after, _, again = folders
    rows = [{**row, "user_id": "z" + row["user_id"]} for row in make_rows(20, 12, 3)]
    path = write_json(tmp_path / "third.jsonl", rows)
    prepare(dataclasses.replace(again, input=path, split="ratio", test_share=0.4))
    data = ReviewDataset.load(after.folder)
    new = data.test[data.test[:, 0] >= after.n_users]
    assert len(new) == pytest.approx(0.4 * len(rows), rel=0.3)
    assert len(data.manifest.source["appended"]) == 2


@pytest.fixture
def two_encoders(tmp_path):
    """A folder with features of two encoders, and the settings to append to it."""
    for name, n_users, seed in (("first", 20, 0), ("more", 30, 1)):
        rows = make_rows(n_users, 12, seed)[5 * n_users - 100 :]
        write_json(tmp_path / f"{name}.jsonl", rows)
    preparation = PrepareSettings(
        source="table", input=tmp_path / "first.jsonl", output=tmp_path / "data", text_width=8
    )
    prepare(preparation)
    add_text(EncodeSettings(dataset=preparation.output, text_name="narrow", text_width=4))
    return dataclasses.replace(preparation, input=tmp_path / "more.jsonl", append=True)


def test_every_encoder_of_the_folder_reads_what_is_new(two_encoders):
    before = ReviewDataset.load(two_encoders.output)
    assert set(before.manifest.text_encoders) == {"lsa", "narrow"}
    prepare(two_encoders)
    after = ReviewDataset.load(two_encoders.output)
    assert after.manifest.grew_from(before.fingerprint)
    assert after.manifest.text_encoders == before.manifest.text_encoders
    assert problems(after, encode=True) == []
    for name, width in (("lsa", 8), ("narrow", 4)):
        features = after.text_features(name, "reviews")
        assert features.shape == (after.manifest.n_reviews, width)
        texts = after.reviews(["text"])["text"].to_pylist()
        expected = load_text_encoder(after, name).encode_texts(texts)
        np.testing.assert_allclose(features, expected, atol=3e-4)


def test_features_from_elsewhere_cannot_be_appended_to(two_encoders, tmp_path):
    n = ReviewDataset.load(two_encoders.output).manifest.n_reviews
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).normal(size=(n, 3)))
    add_text(
        EncodeSettings(
            dataset=two_encoders.output,
            text_encoder="precomputed",
            text_embeddings=tmp_path / "vectors.npy",
        )
    )
    with pytest.raises(DataError, match="have no encoder"):
        prepare(two_encoders)


TWICE, NEW = "a text that comes twice or more", "a text that is new, but comes twice"


def test_copies_of_what_a_user_wrote_already_are_left_out(grow):
    first = [row_of("u", "a", TWICE, 9), row_of("u", "b", TWICE, 8), row_of("v", "a", "once")]
    more = [
        row_of("u", "c", TWICE, 10),  # as in the folder, where both stay
        row_of("u", "d", NEW, 5),
        row_of("u", "e", NEW, 6),  # the later of two
        row_of("v", "b", TWICE),  # another user's
        row_of("v", "c", " "),
        row_of("v", "d", " "),
    ]
    dataset = grow(first, more, prepared={"drop_copies": False})
    pairs = set(by_ids(dataset))
    assert pairs == {
        ("u", "a"), ("u", "b"), ("u", "e"), ("v", "a"), ("v", "b"), ("v", "c"), ("v", "d")
    }  # fmt: skip
    assert dataset.manifest.dropped["copy of a review that its user had written already"] == 2
    assert problems(dataset) == []


def test_items_get_titles_where_they_have_none(grow, tmp_path):
    def reviews(*items):
        return [
            {"user_id": f"u{n}", "parent_asin": item, "rating": 3.0, "title": "", "text": "",
             "timestamp": 10**12}
            for item in items for n in range(2)
        ]  # fmt: skip

    for name, titles in (
        ("old", {"a": "A", "z": "?"}),
        ("new", {"a": "other", "b": "B", "d": "D"}),
    ):
        write_json(
            tmp_path / f"{name}.items.jsonl",
            ({"parent_asin": item, "title": title, "categories": [title]}
             for item, title in titles.items()),
        )  # fmt: skip
    old, new = (tmp_path / f"{name}.items.jsonl" for name in ("old", "new"))
    steps = ({"item_metadata": old}, {"item_metadata": new})
    for before, after, titles, unknown in (
        (*steps, ["A", "B", None, "D"], 1),
        ({}, steps[1], ["other", "B", None, "D"], 1),
        (steps[0], {}, ["A", None, None, None], 3),
        ({}, {}, None, None),
    ):
        dataset = grow(
            reviews("a", "b"), reviews("c", "d"), source="amazon_2023", prepared=before, **after
        )
        table = pq.read_table(dataset.file("items.parquet"))
        assert table["item_id"].to_pylist() == ["a", "b", "c", "d"]
        if titles is None:
            assert table.column_names == ["item", "item_id"]
        else:
            assert table["title"].to_pylist() == table["categories"].to_pylist() == titles
        assert dataset.manifest.statistics.get("items_without_metadata") == unknown
        assert problems(dataset) == []
