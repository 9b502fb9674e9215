"""How files are packed, by what they begin with: gzip, bzip2, xz, zstd, zip."""

import bz2
import contextlib
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa

from symcere_jax.errors import DataError

# Suffix -> first bytes.
_MAGIC = {
    ".gz": b"\x1f\x8b",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\0",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".zip": b"PK\x03\x04",
}
_SAME = {".tgz": ".gz", ".zstd": ".zst"}
_HEAD_BYTES = 10


def bare_name(path: Path) -> Path:
    """The name of what is packed in a file: of the only file in a zip, else without the suffix."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            return Path(_only_member(archive, path).filename)
    return Path(path.stem if _SAME.get(suffix, suffix) in _MAGIC else path.name)


def packing(stream: BinaryIO, path: Path) -> str | None:
    """The suffix of the way that an open file is packed; None: it is not.

    Raises:
        DataError: the name says that it is packed, and it is not.
    """
    head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]  # type: ignore[attr-defined]
    for suffix, magic in _MAGIC.items():
        if head.startswith(magic) and (suffix != ".bz2" or head[4:10] == b"1AY&SY"):
            return suffix
    suffix = path.suffix.lower()
    suffix = _SAME.get(suffix, suffix)
    if suffix in _MAGIC:
        raise DataError(f"{path}: not a whole {suffix} file; is it cut off, or not packed?")
    return None


@contextlib.contextmanager
def unpacked(stream: BinaryIO, suffix: str, path: Path) -> Iterator[BinaryIO]:
    """What is packed in an open file.

    Raises:
        DataError: it is damaged, or a zip of several files.
    """
    try:
        with contextlib.closing(_open(stream, suffix, path)) as content:
            yield content
    except (EOFError, lzma.LZMAError, OSError, RuntimeError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path}: cut off or damaged ({error}); fetch it again") from None


def _open(stream: BinaryIO, suffix: str, path: Path) -> Any:
    if suffix == ".zip":
        archive = zipfile.ZipFile(stream)
        return archive.open(_only_member(archive, path))
    if suffix == ".zst":
        return io.BufferedReader(pa.CompressedInputStream(stream, "zstd"))
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers[suffix](stream)


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not is_hidden(PurePosixPath(member.filename))
    ]
    if len(members) != 1:
        raise DataError(
            f"{path} has {len(members)} files; unpack it, and name a file or the folder"
        )
    return members[0]


def is_hidden(path: PurePosixPath) -> bool:
    """Whether a file, or a folder on the way to it, is one that systems keep for themselves."""
    return any(part[0] in "._" for part in path.parts if part != "..")
