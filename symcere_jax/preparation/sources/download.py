"""Fetching a raw file: resumes where it broke off, and refuses one with another checksum."""

import hashlib
import http.client
import importlib.metadata
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path

from tqdm import tqdm

from symcere_jax.callbacks import MessageCallback
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import Source

_ATTEMPTS = 6  # in a row, without a byte of progress
_FIRST_PAUSE = 1.0  # seconds; doubles with each attempt
_LONGEST_PAUSE = 120.0
_TIMEOUT = 60.0
_BLOCK = 1 << 20
_VERSION = importlib.metadata.version("symcere-jax")
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
    """Fetches a file; what has arrived stays in `path` + ".part", from where a later call resumes.

    It resumes if those bytes came from the same URL and the server says that the file there is
    still the same (RFC 9110, If-Range). Otherwise it fetches the whole file.

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
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while True:
        before = _size(part)
        try:
            if _fetch_rest(url, part):
                break
            message = "the connection broke off"
            wait = 0.0
        except urllib.error.HTTPError as error:
            if error.code not in _TRANSIENT:
                raise DataError(f"{url}: the server says {error.code} {error.reason}") from None
            message, wait = f"{error.code} {error.reason}", _retry_after(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.filename in (str(part), str(_notes(part))):
                raise DataError(f"cannot write {error.filename}: {error.strerror}") from None
            message, wait = str(getattr(error, "reason", error)) or type(error).__name__, 0.0
        failures = 0 if _size(part) > before else failures + 1
        if failures == _ATTEMPTS:
            raise DataError(
                f"{url}: not fetched in {_ATTEMPTS} attempts ({message}); what has arrived is in "
                f"{part}, from where the same command resumes"
            )
        pause(min(max(wait, _FIRST_PAUSE * 2**failures), _LONGEST_PAUSE))
    if sha256:
        _check_sum(part, sha256, remove=True)
    part.replace(path)
    _notes(part).unlink(missing_ok=True)


def _origin(part: Path) -> dict[str, str]:
    """URL of the bytes of a part and validator of their file, from the notes; {} if not known."""
    try:
        origin = json.loads(_notes(part).read_text(encoding="utf-8"))
        return {"url": str(origin["url"]), "validator": str(origin["validator"])}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _validator(headers: Message) -> str:
    tag = headers.get("ETag", "")
    # A weak tag does not promise equal bytes, and is not allowed in If-Range.
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _check_url(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    # Blanks, control characters and letters beyond ASCII must be escaped, such as %20.
    if not fits or not all("!" <= letter <= "~" for letter in url):
        raise ConfigError(f"--url is {url!r}, must be an address as https://host/file")


def _fetch_rest(url: str, part: Path) -> bool:
    """Appends what is missing; returns whether the file is complete now."""
    have = _size(part)
    headers = {"User-Agent": f"symcere-jax/{_VERSION}", "Accept-Encoding": "identity"}
    origin = _origin(part)
    if origin.get("url") != url:
        have = 0  # these bytes may be of another file
    if have:
        headers["Range"] = f"bytes={have}-"
        if origin["validator"]:
            headers["If-Range"] = origin["validator"]
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        # Nothing lies after the bytes that we have: the file is complete, or another one now.
        n_bytes = error.headers.get("Content-Range", "").rpartition("/")[2]
        if have and error.code == 416 and n_bytes == str(have):
            return True
        if have and error.code == 416:
            part.unlink()
            return False
        raise
    with answer:
        resumes = have > 0 and answer.status == 206
        if not resumes:
            have = 0  # the server sends the whole file
            part.unlink(missing_ok=True)  # before its notes say something else
            origin = {"url": url, "validator": _validator(answer.headers)}
            _notes(part).write_text(json.dumps(origin) + "\n", encoding="utf-8")
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        bar = tqdm(
            desc=part.stem, initial=have, total=total, unit="B", unit_scale=True,
            leave=False, disable=None,
        )  # fmt: skip
        with bar, part.open("ab" if resumes else "wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                bar.update(len(block))
                have += len(block)
    return total is None or have == total


def _retry_after(error: urllib.error.HTTPError) -> float:
    seconds = error.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdigit() else 0.0


def _check_sum(path: Path, sha256: str, *, remove: bool = False) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256.lower():
        if remove:
            path.unlink()
            _notes(path).unlink(missing_ok=True)
        raise DataError(
            f"{path} has the sha256 {digest}, expected {sha256.lower()}; fetch it again, or "
            "correct --sha256"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
