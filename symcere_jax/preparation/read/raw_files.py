"""Opens raw files, and decompresses them by their first bytes: gzip, bzip2, xz, zstd, zip."""

import bz2
import contextlib
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
from tqdm import tqdm

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
_BUFFER = 1 << 20
_DAMAGE = (EOFError, lzma.LZMAError, zlib.error, RuntimeError, zipfile.BadZipFile)


@contextlib.contextmanager
def open_raw(path: Path) -> Iterator[BinaryIO]:
    """Opens a raw file, unpacks it, and shows a progress bar on a terminal.

    Raises:
        DataError: the file is missing, empty, not readable, damaged, or a zip of several files.
    """
    suffix = None
    try:
        size = path.stat().st_size
        if not size:
            raise DataError(f"{path} is empty")
        with (
            # disable=None: no bar where stderr is not a terminal
            tqdm(
                desc=path.name, total=size, unit="B", unit_scale=True, leave=False, disable=None
            ) as bar,
            io.BufferedReader(_CountedFile(path, bar), _BUFFER) as stream,
        ):
            suffix = _packing(stream, path)
            with contextlib.closing(_unpacked(stream, suffix, path)) as content:
                yield content
    except FileNotFoundError:
        raise DataError(f"no input at {path}") from None
    except (*_DAMAGE, OSError) as error:
        if suffix and getattr(error, "errno", None) is None:
            raise DataError(f"{path}: truncated or damaged ({error}); download it again") from None
        if isinstance(error, OSError):
            raise DataError(f"{path}: not readable ({error.strerror or error})") from None
        raise


def is_plain(stream: BinaryIO) -> bool:
    """Whether an open raw file is not packed."""
    return isinstance(getattr(stream, "raw", None), _CountedFile)


class _CountedFile(io.FileIO):
    """A raw file that moves a progress bar by the bytes read from it."""

    def __init__(self, path: Path, bar: tqdm) -> None:
        super().__init__(path)
        self._bar = bar

    def readinto(self, buffer: Any) -> int | None:
        n_bytes = super().readinto(buffer)
        self._bar.update(n_bytes or 0)
        return n_bytes


def bare_name(path: Path) -> Path:
    """The name of what is packed in a file: of the only file in a zip, else without the suffix."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            return Path(_only_member(archive, path).filename)
    return Path(path.stem if _SAME.get(suffix, suffix) in _MAGIC else path.name)


def is_hidden(path: PurePosixPath) -> bool:
    """Whether a file, or a folder on the way to it, is one that systems keep for themselves."""
    return any(part[0] in "._" for part in path.parts if part != "..")


def matches(path: Path) -> list[Path]:
    """A path that exists, or those that it is a pattern of, without hidden ones."""
    if path.exists():
        return [path]
    root = Path(path.anchor)
    paths = sorted(root.glob(str(path.relative_to(root)))) if path.name else []
    return [path for path in paths if not is_hidden(PurePosixPath(path.name))]


def _packing(stream: BinaryIO, path: Path) -> str | None:
    """The suffix of the way that a file is packed; None: it is not."""
    head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]  # type: ignore[attr-defined]
    for suffix, magic in _MAGIC.items():
        if head.startswith(magic) and (suffix != ".bz2" or head[4:10] == b"1AY&SY"):
            return suffix
    suffix = path.suffix.lower()
    suffix = _SAME.get(suffix, suffix)
    if suffix in _MAGIC:
        raise DataError(f"{path}: not a complete {suffix} file: truncated, or not compressed")
    return None


def _unpacked(stream: BinaryIO, suffix: str | None, path: Path) -> Any:
    if suffix is None:
        return stream
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
