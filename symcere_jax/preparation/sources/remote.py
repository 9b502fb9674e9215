"""Raw files elsewhere: on the web, on the Hugging Face Hub, in a bucket."""

import contextlib
import dataclasses
import errno
import hashlib
import importlib.metadata
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from glob import has_magic
from pathlib import Path, PurePosixPath
from posixpath import basename, commonpath, dirname
from typing import Any

import fsspec.core
from tqdm import tqdm

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data.schema import file_entry
from symcere_jax.errors import ConfigError, DataError, SymcereError
from symcere_jax.preparation.read.raw_files import is_hidden, matches
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import Source

_ATTEMPTS = 6  # in a row, without a byte of progress
_LONGEST_PAUSE = 120.0  # seconds; a pause doubles with each attempt
_TIMEOUT = 60.0
_BLOCK = 1 << 20
_HEADERS = {
    "User-Agent": f"symcere-jax/{importlib.metadata.version('symcere-jax')}",
    "Accept-Encoding": "identity",
}
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_FINAL = (urllib.error.HTTPError, FileNotFoundError, PermissionError)
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


@dataclasses.dataclass(frozen=True)
class _RemoteFile:
    url: str
    name: str  # within the folder that it is fetched to
    size: int | None
    version: str  # another one: the file has changed
    open: Callable[[int], tuple[Any, int]]  # at a byte, or at 0 if it cannot


@contextlib.contextmanager
def local_input(
    settings: PrepareSettings, source: Source, announce: MessageCallback
) -> Iterator[tuple[PrepareSettings, dict[Path, str]]]:
    """The settings with local paths as input, and the URLs of files that were fetched for them.

    Downloads stay beside the output until the block ends without an error.

    Raises:
        ConfigError: a package is missing.
        DataError: there is no input, it cannot be fetched, or has another checksum.
    """
    output = settings.output.resolve()
    fetched = output.with_name(f".{output.name}.fetched")
    urls: dict[Path, str] = {}
    if settings.input:
        named, urls = fetch_input(settings.input, fetched, announce)
        settings = dataclasses.replace(settings, input=named)
        path = settings.path
        if source.name != "table" and not path.exists():  # that of a table may be several
            raise DataError("; ".join(filter(None, (f"no input at {path}", source.obtain))))
        if settings.sha256 and os.path.isfile(path):  # noqa: PTH113
            digest = file_entry(path)["sha256"]
            if digest != settings.sha256.lower():
                raise DataError(
                    f"{path} has the sha256 {digest}, expected {settings.sha256.lower()}; delete "
                    "and download it again, or correct --sha256"
                )
    yield settings, urls
    shutil.rmtree(fetched, ignore_errors=True)


def fetch_input(
    named: str, folder: Path, announce: MessageCallback, pause: Callable[[float], None] = time.sleep
) -> tuple[str, dict[Path, str]]:
    """Fetches the URLs among inputs, except what an earlier run has fetched already.

    Args:
        named: paths and URLs, separated by commas, as in --input; where the protocol lists files, a
            URL may be a folder or a pattern.
        folder: where to.
        announce: is told what is fetched.
        pause: waits for a number of seconds before another attempt.

    Returns:
        `named` with local paths, and the URL of each file that was fetched.

    Raises:
        ConfigError: a package is missing.
        DataError: there is no such file, or it cannot be fetched.
    """
    if "://" not in named:
        return named, {}
    paths: list[str] = []
    urls: dict[Path, str] = {}
    for url in _split(named):
        if "://" not in url:
            paths.append(url)
            continue
        shown = without_secrets(url)
        announce(f"downloading {shown}")
        try:
            is_web = url.startswith(("http://", "https://"))
            files = [_web_file(url, shown)] if is_web else _listed_files(url)
        except Exception as error:  # each protocol has its own
            raise _refusal(shown, error) from None
        if not files:
            raise DataError(f"{shown} has no files")
        versions = repr([(file.url, file.version) for file in files])
        place = folder / hashlib.sha256(versions.encode()).hexdigest()[:12]
        for file in files:
            path = place / file.name.replace(",", "%2C")  # these names are joined by commas
            if not path.exists():
                _fetch(file, path, pause)
            urls[path] = file.url
            paths.append(str(place / path.relative_to(place).parts[0]))
    return ",".join(dict.fromkeys(paths)), urls


def _split(named: str) -> list[str]:
    """Splits inputs at commas; one after a URL separates only before a URL or what exists here."""
    inputs = [""]
    for part in map(str.strip, named.split(",")):
        if "://" not in inputs[-1] or "://" in part or (part and matches(Path(part))):
            inputs.append(part)
        else:
            inputs[-1] += f",{part}"
    return list(filter(None, (given.rstrip(",") for given in inputs)))


def without_secrets(url: str) -> str:
    """A web address without password and signature, to show and to keep."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _web_file(url: str, shown: str) -> _RemoteFile:
    def open_at(start: int) -> tuple[Any, int]:
        headers = _HEADERS | ({"Range": f"bytes={start}-"} if start else {})
        request = urllib.request.Request(url, headers=headers)
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)
        return answer, start if answer.status == 206 else 0

    with open_at(0)[0] as answer:
        length = answer.headers.get("Content-Length")
        version = [url, length, *map(answer.headers.get, ("ETag", "Last-Modified"))]
    name = PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name
    name = "file" if name in ("", "..") else name
    return _RemoteFile(shown, name, None if length is None else int(length), str(version), open_at)


def _listed_files(url: str) -> list[_RemoteFile]:
    """The files that fsspec finds at a URL, a file, a folder or a pattern; no hidden ones."""
    system, root = fsspec.core.url_to_fs(url)
    if has_magic(root) and not system.exists(root):
        tops = [top for top in system.glob(root) if not is_hidden(PurePosixPath(basename(top)))]
    else:
        tops = [system.info(root)["name"]]
    parent = commonpath([dirname(top) for top in tops]) if tops else ""
    files = []
    for top in tops:
        for path in system.find(top):
            name = PurePosixPath(path).relative_to(parent)
            if is_hidden(PurePosixPath(path).relative_to(top)) or ".." in name.parts:
                continue

            def open_at(start: int, path: str = path) -> tuple[Any, int]:
                file = system.open(path, "rb")
                file.seek(start)
                return file, start

            size, version = system.info(path)["size"], str(system.checksum(path))
            shown = system.unstrip_protocol(path)
            files.append(_RemoteFile(shown, str(name), size, version, open_at))
    return files


def _fetch(file: _RemoteFile, path: Path, pause: Callable[[float], None]) -> None:
    """Downloads a file; a partial one stays beside it until it is complete."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as failure:
        raise DataError(f"cannot write {part}: {failure.strerror}") from None
    failures, most = 0, part.stat().st_size
    while True:
        have = 0 if file.size is None else part.stat().st_size
        error: Exception = ConnectionError("the connection was lost")
        try:
            if have != file.size:
                stream, have = file.open(have)
                bar = tqdm(
                    desc=path.name, initial=have, total=file.size, unit="B", unit_scale=True,
                    leave=False, disable=None,
                )  # fmt: skip
                with stream, bar, part.open("ab" if have else "wb") as target:
                    while block := stream.read(_BLOCK):
                        target.write(block)
                        bar.update(len(block))
                        have += len(block)
            if file.size in (None, have):
                part.replace(path)
                return
        except Exception as failure:
            if isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DataError(f"cannot write {part}: {failure.strerror}") from None
            is_transient = getattr(failure, "code", None) in _TRANSIENT
            if isinstance(failure, _FINAL) and not is_transient:
                raise _refusal(file.url, failure) from None
            error = failure
        arrived = part.stat().st_size
        failures = 0 if arrived > most else failures + 1
        most = max(most, arrived)
        if failures == _ATTEMPTS:
            raise DataError(
                f"{file.url}: not downloaded in {_ATTEMPTS} attempts ({_reason(error)}); the "
                "same command resumes"
            )
        asked = (getattr(error, "headers", None) or {}).get("Retry-After") or ""
        wait = float(asked) if asked.isdigit() else 0.0
        pause(min(max(wait, 2.0**failures), _LONGEST_PAUSE))


def _refusal(url: str, error: Exception) -> SymcereError:
    if isinstance(error, ImportError):
        extra = _EXTRAS.get(url.partition(":")[0])
        hint = f": pip install 'symcere-jax[{extra}]'" if extra else ""
        return ConfigError(f"{url}: {error}{hint}")
    if isinstance(error, FileNotFoundError):
        return DataError(f"no input at {url}")
    return DataError(f"{url} cannot be downloaded ({_reason(error)})")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    return " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
