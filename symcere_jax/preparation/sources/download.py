"""Fetching a raw file: resumes where it broke off, and refuses one with another checksum."""

import hashlib
import http.client
import importlib.metadata
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import Source

_ATTEMPTS = 6  # in a row, without a byte of progress
_FIRST_PAUSE = 1.0  # seconds; doubles with each attempt
_LONGEST_PAUSE = 120.0
_TIMEOUT = 60.0
_BLOCK = 1 << 20
_HEADERS = {
    "User-Agent": f"symcere-jax/{importlib.metadata.version('symcere-jax')}",
    "Accept-Encoding": "identity",
}
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


def ensure_input(settings: PrepareSettings, source: Source, announce: MessageCallback) -> None:
    """Fetches a missing input if --download says so, and checks its checksum if one is given.

    Raises:
        ConfigError: the terms do not let a program fetch it, or there is no address.
        DataError: it is missing, cannot be fetched, or has another checksum.
    """
    path = settings.input
    assert path is not None
    if not path.exists():
        if source.name == "table" and not settings.download:
            return  # may be several
        if not settings.download:
            way = "; add --download, or " if settings.url else "; "
            raise DataError(f"no input at {path}" + (way + source.obtain if source.obtain else ""))
        if not source.may_download:
            raise ConfigError(
                f"--download: the terms of --source={source.name} do not let a program fetch it; "
                f"{source.obtain}, and name the file by --input"
            )
        if not settings.url:
            raise ConfigError(f"--download needs --url; {source.obtain or 'there is no default'}")
        announce(f"fetching {settings.url}")
        fetch(settings.url, path, sha256=settings.sha256)
    elif settings.sha256 and path.is_file():
        _check_sum(path, settings.sha256)


def fetch(
    url: str, path: Path, *, sha256: str | None = None, pause: Callable[[float], None] = time.sleep
) -> None:
    """Fetches a file; what has arrived stays in a file beside it, from where a later call resumes.

    The name of that file ends in `.part`, after a digest of the address and of what the server says
    of the file: where either is another one, the whole file is fetched.

    Args:
        url: http or https address.
        path: where to; appears when it is complete.
        sha256: checksum that it must have.
        pause: waits for a number of seconds before another attempt.

    Raises:
        ConfigError: the URL cannot be fetched.
        DataError: the server refuses, stays silent, or the file has another checksum.
    """
    _check_url(url)
    failures = arrived = 0
    while True:
        wait = 0.0
        try:
            part, is_complete = _fetch_rest(url, path)
            if is_complete:
                break
            message = "the connection broke off"
        except urllib.error.HTTPError as error:
            if error.code not in _TRANSIENT:
                raise DataError(f"{url}: the server says {error.code} {error.reason}") from None
            message = f"{error.code} {error.reason}"
            seconds = error.headers.get("Retry-After", "")
            wait = float(seconds) if seconds.isdigit() else 0.0
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.filename:
                raise DataError(f"cannot write {error.filename}: {error.strerror}") from None
            message = str(getattr(error, "reason", error)) or type(error).__name__
        before, arrived = arrived, sum(part.stat().st_size for part in _parts(path))
        failures = 0 if arrived > before else failures + 1
        if failures == _ATTEMPTS:
            raise DataError(
                f"{url}: not fetched in {_ATTEMPTS} attempts ({message}); what has arrived is in "
                f"{path.parent}, from where the same command resumes"
            )
        pause(min(max(wait, _FIRST_PAUSE * 2**failures), _LONGEST_PAUSE))
    if sha256:
        try:
            _check_sum(part, sha256)
        except DataError:
            part.unlink()
            raise
    part.replace(path)
    for part in _parts(path):
        part.unlink()


def _check_url(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    # Blanks, control characters and letters beyond ASCII must be escaped, such as %20.
    if not fits or not all("!" <= letter <= "~" for letter in url):
        raise ConfigError(f"--url is {url!r}, must be an address as https://host/file")


def _parts(path: Path) -> list[Path]:
    """What has arrived of a file, in whatever version."""
    return [part for part in path.parent.glob("*.part") if part.name.startswith(f"{path.name}.")]


def _fetch_rest(url: str, path: Path) -> tuple[Path, bool]:
    """Appends what is missing; returns where it is, and whether it is complete now."""
    answer = _open(url, {})
    length = answer.headers.get("Content-Length")
    total = None if length is None else int(length)
    about = [url, total, *(answer.headers.get(name) for name in ("ETag", "Last-Modified"))]
    digest = hashlib.sha256(str(about).encode()).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{digest}.part")
    have = part.stat().st_size if part.exists() else 0
    if have:
        answer.close()
        if have == total:
            return part, True
        answer = _open(url, {"Range": f"bytes={have}-"})
    with answer:
        if answer.status != 206:
            have = 0  # the server sends the whole file
        bar = tqdm(
            desc=path.name, initial=have, total=total, unit="B", unit_scale=True,
            leave=False, disable=None,
        )  # fmt: skip
        with bar, part.open("ab" if have else "wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                bar.update(len(block))
                have += len(block)
    return part, total is None or have == total


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers=_HEADERS | headers)
    return urllib.request.urlopen(request, timeout=_TIMEOUT)


def _check_sum(path: Path, sha256: str) -> None:
    digest = schema.file_entry(path)["sha256"]
    if digest != sha256.lower():
        raise DataError(
            f"{path} has the sha256 {digest}, expected {sha256.lower()}; fetch it again, or "
            "correct --sha256"
        )
