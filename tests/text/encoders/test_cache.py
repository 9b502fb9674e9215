import sqlite3

import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.text.encoders.cache import VectorCache

TEXTS = [f"text {n}" for n in range(20)]
VECTORS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)


def test_what_was_added_is_read_again(tmp_path):
    stored = VectorCache(tmp_path / "a", 3)
    assert stored.get(["x", "y", "x"]) == {}
    stored.add(TEXTS[:15], VECTORS[:15])
    other = VectorCache(tmp_path / "a", 3)  # two runs at once
    other.add(TEXTS[10:], VECTORS[10:])
    vectors = stored.get([*TEXTS[::-1], "new", "\ud800"])
    assert vectors.keys() == set(TEXTS)
    np.testing.assert_array_equal([vectors[text] for text in TEXTS], VECTORS)
    assert VectorCache(tmp_path / "a", 4).get(TEXTS) == {}  # vectors of another width


def test_a_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"--text_cache: .*name another folder"):
        VectorCache(tmp_path / "file" / "cache", 3)
    (tmp_path / "vectors.sqlite").write_text("no database")
    with pytest.raises(DataError, match=r"--text_cache: .*vectors\.sqlite.*; delete it"):
        VectorCache(tmp_path, 3)


def test_a_file_that_cannot_be_written_to(tmp_path, monkeypatch):
    stored = VectorCache(tmp_path, 3)
    stored._database = sqlite3.connect(f"file:{tmp_path}/vectors.sqlite?mode=ro", uri=True)
    with pytest.raises(DataError, match="--text_cache: cannot write to"):
        stored.add(TEXTS[:1], VECTORS[:1])
