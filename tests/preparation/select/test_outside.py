"""Reviews outside the k-core that are learned from: in a file of their own, and in training."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.models import ModelInputs, resolve
from symcere_jax.preparation.check import CHECKS, problems_of
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.select.outside import held_out_runs, repeats
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.settings import Settings
from symcere_jax.text.item_words import item_words
from tests.preparation.folders import problems, row_of, write_json

QUOTED = "the lobby smells of cedar and old books and nobody ever seems to hurry through it"


def rows():
    """A core of 6 users and 6 items; around it users with two, with one, and with a quotation."""
    rng = np.random.default_rng(0)

    def words():
        return " ".join(f"word{x}" for x in rng.integers(40, size=20))

    for user in range(6):
        for item in range(6):
            split = {5: "test", 4: "valid"}.get((user + item) % 6, "train")
            text = words() + (f" {QUOTED}" if split == "test" else "")
            yield {"user_id": f"core{user}", "item_id": f"i{item}", "text": text, "split": split}
    outside = [("two", "i0"), ("two", "i3"), ("one", "i1"), ("another", "i1"), ("one", "rare")]
    for user, item in outside:
        yield {"user_id": user, "item_id": item, "text": f"{words()} seldom", "split": "extra"}
    for user, item in (("quoter", "i2"), ("quoter", "i4")):
        text = f"well, {QUOTED.upper()}!" if item == "i2" else f"{words()} seldom"
        yield {"user_id": user, "item_id": item, "text": text, "split": "extra"}


def prepared(folder, *, by_hand, **settings):
    kept = [row if by_hand else {k: v for k, v in row.items() if k != "split"} for row in rows()]
    path = write_json(folder / "reviews.jsonl", kept)
    options = {"source": "table", "input": path, "output": folder / "data", "k_core": 3}
    return prepare(PrepareSettings(**options | {"text_width": 8} | settings))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> ReviewDataset:
    return prepared(tmp_path_factory.mktemp("extra"), by_hand=True)


def test_users_with_two_train_and_other_texts_count(dataset):
    assert dataset.user_ids().tolist() == [*(f"core{u}" for u in range(6)), "two"]
    items = dataset.item_ids().tolist()
    assert items == [f"i{item}" for item in range(6)]
    assert dataset.train[dataset.train[:, 0] == 6].tolist() == [[6, 0], [6, 3]]
    assert set(dataset.valid[:, 0]) == set(dataset.test[:, 0]) == set(range(6))
    extra = pq.read_table(dataset.file(schema.EXTRA_TEXTS))
    # The quotation is left out, and with it the quoter has a single review.
    assert extra["item"].to_pylist() == [1, 1, 4]
    np.testing.assert_array_equal(dataset.extra_counts(), [0, 2, 0, 0, 1, 0])
    statistics, dropped = dataset.manifest.statistics, dataset.manifest.dropped
    names = ("extra_users", "extra_reviews", "extra_texts")
    assert [statistics[name] for name in names] == [1, 2, 3]
    assert dropped["outside the k-core"] == 1
    assert dropped["outside the k-core, near copy of what is held out"] == 1


def test_the_folder_passes_its_checks(dataset):
    assert problems(dataset, encode=True) == []


def test_a_near_copy_that_is_there_is_found(dataset, monkeypatch):
    quoted = pq.read_table(dataset.file(schema.EXTRA_TEXTS)).slice(0, 1).to_pydict()
    texts = pq.ParquetFile(dataset.file(schema.REVIEWS)).read(["text", "split"]).to_pylist()
    held_out = next(row["text"] for row in texts if row["split"] == "test")
    record = pa.RecordBatch.from_pydict(quoted | {"text": [held_out]})
    monkeypatch.setattr(ReviewDataset, "extra_texts", lambda *_: iter([record]))
    found = problems_of(dataset, CHECKS["no near copy of what is held out"])
    assert found == ["1 texts from outside the k-core repeat twelve words of a held-out review"]


def test_items_are_described_by_all_their_texts(dataset, tmp_path):
    """As by one long review each: features, words and numbers of reviews."""
    features = dataset.text_features("lsa", "reviews")
    assert len(features) == dataset.manifest.n_reviews
    inputs = ModelInputs.from_dataset(dataset, resolve(Settings(experts="aligned"), dataset))
    in_train = np.bincount(dataset.train[:, 1], minlength=6)
    np.testing.assert_array_equal(inputs.item_reviews, in_train + dataset.extra_counts())
    np.testing.assert_array_equal(inputs.item_degree, in_train)
    # "seldom" is a word of those texts alone: items 0, 1, 3 and 4 share it.
    shared = [column for column in item_words(dataset).T if set(column.indices) == {0, 1, 3, 4}]
    assert shared


def test_without_a_split_the_same_reviews_are_outside(tmp_path):
    kept = prepared(tmp_path, by_hand=False, keep_dropped=True, seed=3)
    assert kept.manifest.statistics["extra_users"] >= 1
    assert kept.manifest.split_name == "ratio"
    assert problems(kept) == []
    left = prepared(tmp_path, by_hand=False, overwrite=True, seed=3)
    assert "extra_texts" not in left.manifest.statistics
    assert left.n_users == 6 and left.manifest.dropped["outside the k-core"] == 7
    # Who is evaluated, and on what, is the same.
    for split in ("valid", "test"):
        np.testing.assert_array_equal(kept.interactions(split), left.interactions(split))


def test_a_folder_with_extra_texts_grows(dataset, tmp_path):
    folder = tmp_path / "data"
    prepared(tmp_path, by_hand=True)
    more = write_json(tmp_path / "more.jsonl", [row_of("two", "i1", "word1 word2")])
    options = {"source": "table", "output": folder, "append": True}
    grown = prepare(PrepareSettings(input=more, **options))
    np.testing.assert_array_equal(grown.extra_counts(), dataset.extra_counts())
    assert problems(grown) == []
    write_json(more, [row_of("x", "i0", split="extra")])
    with pytest.raises(DataError, match="split is 'extra', which --append does not know"):
        prepare(PrepareSettings(input=more, **options))


@pytest.mark.parametrize("setting", [{"append": True}, {"split": "cold_item"}])
def test_what_it_does_not_go_with(tmp_path, setting):
    options = {"source": "table", "input": tmp_path, "output": tmp_path / "x"}
    with pytest.raises(ConfigError, match="--keep_dropped cannot be used with"):
        PrepareSettings(**options, keep_dropped=True, **setting)


def test_runs_of_twelve_words():
    twelve = "aa bb cc dd ee ff gg hh ii jj kk ll"
    runs = held_out_runs(iter(["xx " + twelve + " yy", "short"]))
    assert len(runs) == 3 and (np.diff(runs.astype(object)) > 0).all()
    assert repeats(f"before, {twelve.upper()}! after", runs)
    assert not repeats(" ".join(twelve.split()[:11]), runs)
    assert not repeats(twelve.replace("ff", "gg"), runs)
    assert not repeats(twelve, held_out_runs(iter([])))
