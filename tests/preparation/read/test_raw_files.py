import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.raw_files import bare_name, open_raw

NOISE = np.random.default_rng(0).integers(256, size=5000, dtype=np.uint8).tobytes()


def _zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def _zip(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/r.csv", content)
        archive.writestr("__MACOSX/folder/._r.csv", "of the system")
    return packed.getvalue()


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": _zstd,
        ".zip": _zip}  # fmt: skip


@pytest.mark.parametrize("name", ["r.csv", *(f"r.csv{suffix}" for suffix in PACK)])
def test_plain_and_packed_files_read_alike(tmp_path, name):
    content = bytes(range(256)) * 1_000
    path = tmp_path / name
    path.write_bytes(PACK.get(path.suffix, bytes)(content))
    assert bare_name(path).name == "r.csv"
    with open_raw(path) as stream:
        assert stream.read() == content
    with open_raw(path.rename(tmp_path / "no_suffix")) as stream:
        assert stream.read() == content


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.99])
def test_what_is_cut_off_is_named(tmp_path, suffix, share):
    path = tmp_path / f"r{suffix}"
    content = PACK[suffix](NOISE)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=rf"r{suffix}(:| is empty)"), open_raw(path) as stream:
        stream.read()


def test_other_damage_is_named(tmp_path):
    path = tmp_path / "r.gz"
    packed = gzip.compress(NOISE)
    for content, message in (
        (packed[:2000] + b"\0\0\0" + packed[2003:], "damaged"),
        (b"user_id,item_id\n", "not a complete .gz file"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"r\.gz.*{message}"), open_raw(path) as stream:
            stream.read()


def test_what_is_no_single_file_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    for name, message in (
        ("r.zip", "has 2 files"),
        ("nowhere", "no input at"),
        ("", "not readable"),
    ):
        with pytest.raises(DataError, match=message), open_raw(tmp_path / name):
            pass
