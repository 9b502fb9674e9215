import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from symcere_jax.data import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.read.bad_rows import BadRows
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import SOURCES

TRAIN = "".join(
    f"{user} {' '.join(str(user + item) for item in range(20))}\n" for user in range(50)
)
TEST = "0 100 101\n2 70\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/train.txt").write_text(TRAIN)
    (tmp_path / "raw/test.txt.gz").write_bytes(gzip.compress(TEST.encode()))
    return tmp_path / "raw"


def _config(folder: Path, **settings) -> PrepareSettings:
    return PrepareSettings(
        source="lightgcn", input=folder, output=folder.parent / "out", **settings
    )


def _read(folder: Path, bad: BadRows | None = None, **settings) -> list[dict]:
    read = SOURCES["lightgcn"].read
    blocks = list(read(_config(folder, **settings), bad or BadRows("fail", 0)))
    return pa.concat_tables([block.table for block in blocks]).to_pylist()


def test_every_pair_is_read_once_and_a_tenth_of_training_validates(folder):
    rows = _read(folder)
    pairs = {split: set() for split in ("train", "valid", "test")}
    for row in rows:
        assert row["rating"] is row["timestamp"] is row["text"] is None
        pairs[row["split"]].add((int(row["user_id"]), int(row["item_id"])))
    assert len(rows) == 1003 == sum(map(len, pairs.values()))
    assert pairs["test"] == {(0, 100), (0, 101), (2, 70)}
    expected = {(user, user + item) for user in range(50) for item in range(20)}
    assert pairs["train"] | pairs["valid"] == expected
    # Two of the 20 of each user.
    assert sorted(user for user, _ in pairs["valid"]) == sorted(2 * list(range(50)))


def test_the_seed_decides_which(folder):
    assert _read(folder, seed=1) == _read(folder, seed=1) != _read(folder, seed=2)
    assert {row["split"] for row in _read(folder, valid_share=0.0)} == {"train", "test"}


def test_it_becomes_a_prepared_folder(folder):
    prepare(_config(folder, split="predefined", text_encoder="none"))
    dataset = ReviewDataset.load(folder.parent / "out")
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (900, 100, 3)


def test_a_malformed_line_is_named(folder):
    (folder / "train.txt").write_text("0 1 2\n1 2 x\n")
    with pytest.raises(DataError, match=r"train\.txt, line 2: '1 2 x' is not a user and items"):
        _read(folder)
    bad = BadRows("skip", 1.0)
    assert len(_read(folder, bad, valid_share=0.0)) == 5


def test_blank_lines_are_skipped_and_counted(folder):
    (folder / "train.txt").write_text("\n0 1 2\n  \n1 2\n\n")
    blocks = SOURCES["lightgcn"].read(_config(folder, valid_share=0.0), BadRows("fail", 0))
    train = next(iter(blocks))
    pairs = train.table.select(["user_id", "item_id"]).to_pylist()
    assert [tuple(map(int, pair.values())) for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert train.lines.tolist() == [2, 2, 4]


@pytest.mark.parametrize("name", ["train.txt", "test.txt.gz"])
def test_both_files_are_needed(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match="must be a folder with"):
        _read(folder)
