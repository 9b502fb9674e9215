import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import writing
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.text.encoder import TextFeatures


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_folder_appears_when_the_block_ends(tmp_path):
    output = tmp_path / "a" / "b"
    with writing.new_folder(output) as folder:
        (folder / "x").write_text("new")
        assert not output.exists()
        assert folder.parent == output.parent
    assert tree(tmp_path) == ["a", "a/b", "a/b/x"]


def test_the_working_directory_can_be_replaced(tmp_path, monkeypatch):
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    with writing.new_folder(Path()) as folder:
        (folder / "new").write_text("new")
    monkeypatch.undo()
    assert tree(tmp_path) == ["b", "b/new"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_the_block_fails(tmp_path, error):
    with pytest.raises(error), writing.new_folder(tmp_path / "a" / "b") as folder:
        (folder / "x").write_text("new")
        raise error
    assert tree(tmp_path) == []


def test_the_old_folder_stays_until_the_new_one_is_complete(tmp_path):
    output = tmp_path / "b"
    output.mkdir()
    (output / "old").write_text("old")
    with pytest.raises(ValueError, match="stop"), writing.new_folder(output):
        raise ValueError("stop")
    assert tree(tmp_path) == ["b", "b/old"]
    with writing.new_folder(output) as folder:
        (folder / "new").write_text("new")
        assert (output / "old").exists()
    assert tree(tmp_path) == ["b", "b/new"]


def test_the_old_folder_comes_back_when_the_renaming_fails(tmp_path, monkeypatch):
    output = tmp_path / "b"
    output.mkdir()
    (output / "old").write_text("old")
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial") and "replaced" not in path.name and target == output:
            raise OSError(28, os.strerror(28))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with (
        pytest.raises(DataError, match=r"cannot write .*b: No space left"),
        writing.new_folder(output),
    ):
        pass
    assert tree(tmp_path) == ["b", "b/old"]


def test_an_output_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match=r"cannot write .*: Not a directory"),
        writing.new_folder(tmp_path / "file" / "b"),
    ):
        pass


def test_what_check_output_refuses(tmp_path):
    def check(name: str, *, overwrite: bool = False, source: str | None = None) -> None:
        path = tmp_path / source if source else None
        writing.check_output(tmp_path / name, overwrite=overwrite, source=path)

    check("new")
    (tmp_path / "other").mkdir()
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="prepared exists; replace it by --overwrite"):
        check("prepared")
    check("prepared", overwrite=True)
    with pytest.raises(ConfigError, match="other exists and is not a prepared folder"):
        check("other", overwrite=True)
    with pytest.raises(ConfigError, match="holds the input"):
        check("prepared", overwrite=True, source="prepared/raw.csv")
    with pytest.raises(ConfigError, match="holds the input"):
        check("prepared", overwrite=True, source="prepared")


def test_files_read_back_as_the_schema_says(tmp_path):
    writing.write_ids(tmp_path / "u", "user", "user_id", pa.array(["a", "b"], pa.large_string()))
    ids = pq.read_table(tmp_path / "u")
    assert ids.schema == pa.schema({"user": pa.int32(), "user_id": pa.string()})
    assert ids.to_pylist() == [{"user": 0, "user_id": "a"}, {"user": 1, "user_id": "b"}]

    pairs = np.array([[0, 0], [0, 1], [1, 0]], np.int32)
    counts = writing.write_pairs(tmp_path, pairs, np.array([0, 2, 0], np.int8))
    assert counts == {"train": 2, "valid": 0, "test": 1}
    assert np.load(tmp_path / "train.npy").tolist() == [[0, 0], [1, 0]]
    valid = np.load(tmp_path / "valid.npy")
    assert (valid.shape, valid.dtype) == ((0, 2), np.int32)

    features = TextFeatures(*(np.full((n, 2), n, np.float32) for n in (3, 2, 1)), {})
    writing.write_text(tmp_path, "letters", features)
    assert np.load(tmp_path / "text" / "letters" / "items.npy").tolist() == [[1, 1]]
    entries = writing.file_entries(tmp_path)
    assert list(entries) == sorted(entries)
    assert entries["text/letters/reviews.npy"]["bytes"] == 128 + 3 * 2 * 4
