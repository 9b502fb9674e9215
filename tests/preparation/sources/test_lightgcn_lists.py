import functools
import gzip

import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.read.rows import ReadingLog
from symcere_jax.preparation.settings import PrepareSettings
from tests.preparation.reading import read_source

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


read = functools.partial(read_source, "lightgcn")


def test_every_pair_is_read_once_and_a_tenth_of_training_validates(folder):
    rows, _, _ = read(folder)
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
    first, again, other = (read(folder, seed=seed)[0] for seed in (1, 1, 2))
    assert first == again != other
    assert {row["split"] for row in read(folder, valid_share=0.0)[0]} == {"train", "test"}


def test_it_becomes_a_prepared_folder(folder):
    options = {"split": "predefined", "text_encoder": "none", "output": folder.parent / "out"}
    dataset = prepare(PrepareSettings(source="lightgcn", input=folder, **options))
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (900, 100, 3)


def test_a_malformed_line_is_named(folder):
    (folder / "train.txt").write_text("0 1 2\n1 2 x\n")
    with pytest.raises(DataError, match=r"train\.txt, line 2: '1 2 x' is not a user and items"):
        read(folder)
    assert len(read(folder, ReadingLog("skip", 1.0), valid_share=0.0)[0]) == 5


def test_blank_lines_are_skipped_and_counted(folder):
    (folder / "train.txt").write_text("\n0 1 2\n  \n1 2\n\n")
    rows, places, _ = read(folder, valid_share=0.0)
    pairs = [(int(row["user_id"]), int(row["item_id"])) for row in rows]
    assert pairs[:3] == [(0, 1), (0, 2), (1, 2)]
    assert [place[-6:] for place in places[:3]] == ["line 2", "line 2", "line 4"]


@pytest.mark.parametrize("name", ["train.txt", "test.txt.gz"])
def test_both_files_are_needed(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match="must be a folder with"):
        read(folder)
