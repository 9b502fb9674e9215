import bz2
import gzip
import lzma

import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.raw import RAW_SCHEMA, RawBlock, open_raw, shorten


def test_a_block_names_file_and_line_of_what_is_left_of_it():
    rows = [{"user_id": user} for user in "abc"]
    table = pa.Table.from_pylist(rows, RAW_SCHEMA)
    block = RawBlock(table, np.array([2, 5, 7]), "a.csv, line", None)
    assert [block.where(row) for row in range(3)] == [f"a.csv, line {n}" for n in (2, 5, 7)]
    left = block.filter(np.array([True, False, True]))
    assert left.table["user_id"].to_pylist() == ["a", "c"]
    assert left.where(1) == "a.csv, line 7"


def test_plain_and_packed_files_read_alike_and_seek(tmp_path):
    content = bytes(range(256)) * 1_000
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content))
    (tmp_path / "packed.xz").write_bytes(lzma.compress(content))
    (tmp_path / "packed.bz2").write_bytes(bz2.compress(content))
    for name in ("plain", "packed.gz", "packed.xz", "packed.bz2"):
        with open_raw(tmp_path / name) as stream:
            assert stream.read() == content
            stream.seek(256 * 5 + 3)
            assert stream.read(2) == b"\x03\x04"


def write_damaged(tmp_path, name):
    path = tmp_path / f"{name}.gz"
    packed = gzip.compress(bytes(np.random.default_rng(0).integers(256, size=5000, dtype=np.uint8)))
    content = {
        "empty": b"",
        "truncated": packed[:-100],
        "flipped": packed[:2000] + b"\0\0\0" + packed[2003:],
        "not_gzip": b"user_id,item_id\n",
    }[name]
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "is empty"),
        ("truncated", "cut off or damaged"),
        ("flipped", "damaged|not a whole"),
        ("not_gzip", "not a whole .gz file"),
    ],
)
def test_a_damaged_gzip_is_named(tmp_path, name, message):
    path = write_damaged(tmp_path, name)
    with pytest.raises(DataError, match=message) as error, open_raw(path) as stream:
        stream.read()
    assert str(path) in str(error.value)


def test_a_gzip_that_is_not_named_so(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_bytes(gzip.compress(b"user,item,text\n"))
    message = r"reviews.csv is gzipped: rename it so that it ends in .gz$"
    with pytest.raises(DataError, match=message), open_raw(path):
        pass


@pytest.mark.parametrize("n_bytes", [10, 60, 200])
def test_a_truncated_xz_is_named(tmp_path, n_bytes):
    path = tmp_path / "r.xz"
    noise = np.random.default_rng(0).integers(256, size=5000, dtype=np.uint8)
    path.write_bytes(lzma.compress(noise.tobytes())[:-n_bytes])
    with pytest.raises(DataError, match="cut off or damaged"), open_raw(path) as stream:
        stream.read()


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no input at .*nowhere"), open_raw(tmp_path / "nowhere"):
        pass
    with pytest.raises(DataError, match="not readable"), open_raw(tmp_path):
        pass


def test_shorten():
    assert shorten("abc") == "'abc'"
    assert len(shorten("a" * 100)) == 60
