import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.packed import bare_name
from symcere_jax.preparation.read.raw import RAW_SCHEMA, RawBlock, open_raw, shorten


def test_a_block_names_file_and_line_of_what_is_left_of_it():
    rows = [{"user_id": user} for user in "abc"]
    table = pa.Table.from_pylist(rows, RAW_SCHEMA)
    block = RawBlock(table, np.array([2, 5, 7]), "a.csv, line", None)
    assert [block.where(row) for row in range(3)] == [f"a.csv, line {n}" for n in (2, 5, 7)]
    left = block.filter(np.array([True, False, True]))
    assert left.table["user_id"].to_pylist() == ["a", "c"]
    assert left.where(1) == "a.csv, line 7"


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def test_plain_and_packed_files_read_alike_and_seek(tmp_path):
    content = bytes(range(256)) * 1_000
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content))
    (tmp_path / "packed.xz").write_bytes(lzma.compress(content))
    (tmp_path / "packed.bz2").write_bytes(bz2.compress(content))
    (tmp_path / "packed.zst").write_bytes(zstd(content))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/r.csv", content)
        archive.writestr("__MACOSX/folder/._r.csv", "of the system")
    (tmp_path / "no_suffix").write_bytes(zstd(content))
    assert bare_name(tmp_path / "packed.zip").name == "r.csv"
    for path in sorted(tmp_path.iterdir()):
        with open_raw(path) as stream:
            assert stream.read() == content
            if "zst" in path.name or path.name == "no_suffix":
                continue  # is not needed of a new format
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


def test_a_zip_of_several_files_is_refused(tmp_path):
    path = tmp_path / "r.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(DataError, match=r"r\.zip has 2 files"), open_raw(path):
        pass


@pytest.mark.parametrize("name", ["r.gz", "r.bz2", "r.xz", "r.zst", "r.zip"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_what_is_cut_off_is_named(tmp_path, name, share):
    noise = np.random.default_rng(0).integers(256, size=5000, dtype=np.uint8).tobytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("r.csv", noise)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}
    suffix = name[1:]
    content = pack[suffix](noise) if suffix in pack else packed.getvalue()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=rf"{name}: "), open_raw(tmp_path / name) as stream:
        stream.read()


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
