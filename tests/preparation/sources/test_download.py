"""Against a local server that breaks off, is busy, or does not know ranges."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import SOURCES, download

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Answers with `CONTENT`; what it does wrong is set by a test.

    Attributes:
        breaks_after: bytes after which each answer breaks off.
        busy: number of answers that say 503 first.
        status: what every answer says, if not 200 or 206.
        knows_ranges: whether it sends a part when asked for one.
        tag: ETag of the file.
        ranges: the ranges that were asked for.
    """

    breaks_after = len(CONTENT)
    busy = 0
    status = 0
    knows_ranges = True
    tag = '"today"'

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.server.status or self.server.busy:
            self.send_response(self.server.status or 503)
            if self.server.busy:
                self.server.busy -= 1
                self.send_header("Retry-After", "7")
            self.end_headers()
            return
        start = 0
        if asked and self.server.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.send_header("ETag", self.server.tag)
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.server.breaks_after])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(server: Server, path: Path, **settings) -> list[float]:
    """Fetches, and returns the pauses that it made."""
    pauses: list[float] = []
    download.fetch(server.url, path, pause=pauses.append, **settings)
    return pauses


def test_a_whole_file(server, tmp_path):
    path = tmp_path / "new" / "file"
    assert fetch(server, path, sha256=SHA256) == []
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_it_goes_on_where_the_server_broke_off(server, tmp_path):
    server.breaks_after = 30_000
    fetch(server, tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT
    ranges = [place for place in server.ranges if place]
    assert ranges == ["bytes=30000-", "bytes=60000-", "bytes=90000-"]


class StopError(Exception):
    pass


def stop(seconds: float) -> None:
    raise StopError


def break_off(server, path, n_bytes):
    """What a run that was killed leaves of a file."""
    server.breaks_after = n_bytes
    with pytest.raises(StopError):
        download.fetch(server.url, path, pause=stop)
    server.breaks_after = len(CONTENT)
    server.ranges.clear()


@pytest.mark.parametrize(
    ("attribute", "value", "ranges"),
    [
        ("busy", 0, [None, "bytes=60000-"]),
        ("knows_ranges", False, [None, "bytes=60000-"]),
        ("tag", '"tomorrow"', [None]),  # another file by now
    ],
)
def test_it_goes_on_where_an_earlier_run_stopped(server, tmp_path, attribute, value, ranges):
    break_off(server, tmp_path / "file", 60_000)
    setattr(server, attribute, value)
    fetch(server, tmp_path / "file", sha256=SHA256)
    assert server.ranges == ranges
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_part_that_is_whole_is_not_fetched_again(server, tmp_path):
    break_off(server, tmp_path / "file", 60_000)
    (part,) = tmp_path.iterdir()
    part.write_bytes(CONTENT)
    fetch(server, tmp_path / "file")
    assert server.ranges == [None]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_busy_server_is_given_the_time_that_it_asks_for(server, tmp_path):
    server.busy = 2
    assert fetch(server, tmp_path / "file") == [7, 7]


def test_what_cannot_be_had(server, tmp_path):
    server.status = 404
    with pytest.raises(DataError, match=r"the server says 404 Not Found"):
        fetch(server, tmp_path / "file")
    server.status = 503
    with pytest.raises(DataError, match=r"not fetched in 6 attempts \(503 Service Unavailable\)"):
        fetch(server, tmp_path / "file")
    with pytest.raises(DataError, match="not fetched in 6 attempts"):
        download.fetch("http://127.0.0.1:9/none", tmp_path / "file", pause=lambda seconds: None)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    "url",
    ["", "host/file", "file:///etc/hosts", "ftp://host/x", "http:///x", "http://[::1/x",
     "http://host:x/y", "http://host/a b", "http://host/ü"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_at_once(tmp_path, url):
    pauses: list[float] = []
    with pytest.raises(ConfigError, match=r"--url is .*, must be an address as https://host/file"):
        download.fetch(url, tmp_path / "new" / "file", pause=pauses.append)
    assert pauses == [] and list(tmp_path.iterdir()) == []


def test_pauses_grow_and_end(server, tmp_path):
    server.status = 500
    pauses: list[float] = []
    with pytest.raises(DataError):
        download.fetch(server.url, tmp_path / "file", pause=pauses.append)
    assert pauses == [2, 4, 8, 16, 32]


def test_another_file_than_expected(server, tmp_path):
    with pytest.raises(DataError, match=f"has the sha256 {SHA256}, expected 0000"):
        fetch(server, tmp_path / "file", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def ensure(source: str, path: Path, **settings) -> list[str]:
    stages: list[str] = []
    preparation = PrepareSettings(source=source, input=path, output=path.parent / "out", **settings)
    download.ensure_input(preparation, SOURCES[source], stages.append)
    return stages


def test_the_input_is_fetched_when_asked_for_and_missing(server, tmp_path):
    path = tmp_path / "file"
    with pytest.raises(DataError, match=r"no input at .*add --download, or a category's reviews"):
        ensure("amazon_2023", path, url=server.url)
    assert ensure("amazon_2023", path, url=server.url, download=True) == [f"fetching {server.url}"]
    assert path.read_bytes() == CONTENT
    assert ensure("amazon_2023", path, url=server.url, download=True, sha256=SHA256) == []
    with pytest.raises(DataError, match="has the sha256"):
        ensure("amazon_2023", path, sha256="a" * 64)
    with pytest.raises(ConfigError, match="--download needs --url; a category's reviews are at"):
        ensure("amazon_2023", tmp_path / "other", download=True)


@pytest.mark.parametrize("source", ["yelp", "hotelrec", "tripadvisor_lara"])
def test_terms_that_forbid_it(tmp_path, source):
    with pytest.raises(ConfigError, match=r"the terms of --source=.* https://.* by --input"):
        ensure(source, tmp_path / "x", download=True, url="http://127.0.0.1:9/x")
    with pytest.raises(DataError, match=r"no input at .*x; .*https://"):
        ensure(source, tmp_path / "x")
