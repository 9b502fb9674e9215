"""Against a local server that breaks off, is busy, or does not know ranges."""

import hashlib
import http.server
import json
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
        knows_ranges: whether it heeds them.
        tag: ETag of the file; a range of another one is answered by the whole.
        modified: its Last-Modified.
        ranges: the ranges that were asked for.
    """

    breaks_after = len(CONTENT)
    busy = 0
    status = 0
    knows_ranges = True
    tag: str | None = None
    modified: str | None = None

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
        condition = self.headers.get("If-Range")
        same = condition in (None, self.server.tag, self.server.modified)
        if asked and self.server.knows_ranges and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        for name, value in (("ETag", self.server.tag), ("Last-Modified", self.server.modified)):
            if value is not None:
                self.send_header(name, value)
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
    assert server.ranges == [None, "bytes=30000-", "bytes=60000-", "bytes=90000-"]


def leave(path: Path, content: bytes, url: str, validator: str = "") -> None:
    """What a run that was killed leaves of a file."""
    path.with_name(path.name + ".part").write_bytes(content)
    notes = {"url": url, "validator": validator}
    path.with_name(path.name + ".part.json").write_text(json.dumps(notes))


def test_it_goes_on_where_an_earlier_run_stopped(server, tmp_path):
    leave(tmp_path / "file", CONTENT[:100_000], server.url)
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    leave(tmp_path / "other", CONTENT, server.url)
    fetch(server, tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == CONTENT
    assert server.ranges == ["bytes=100000-", f"bytes={len(CONTENT)}-"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "other"]


def test_a_part_of_another_address_is_fetched_anew(server, tmp_path):
    leave(tmp_path / "file", b"A" * 7, server.url.replace("/file", "/other"))
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    (tmp_path / "unknown.part").write_bytes(b"A" * 7)
    fetch(server, tmp_path / "unknown")
    (tmp_path / "garbled.part").write_bytes(b"A" * 7)
    (tmp_path / "garbled.part.json").write_text('{"url": ')
    fetch(server, tmp_path / "garbled")
    assert server.ranges == [None] * 3
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {CONTENT}


@pytest.mark.parametrize(
    ("tag", "modified", "validator"),
    [
        ('"of today"', "Tue, 01 Jan 2030 00:00:00 GMT", '"of today"'),
        ('W/"of today"', "Tue, 01 Jan 2030 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:00 GMT"),
        ('W/"of today"', None, ""),
    ],
)
def test_a_part_says_of_which_file_it_is(server, tmp_path, tag, modified, validator):
    server.tag, server.modified = tag, modified
    server.breaks_after = 1000

    class StopError(Exception):
        pass

    def stop(seconds: float) -> None:
        raise StopError

    with pytest.raises(StopError):
        download.fetch(server.url, tmp_path / "file", pause=stop)
    notes = json.loads((tmp_path / "file.part.json").read_text())
    assert notes == {"url": server.url, "validator": validator}
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:1000]


def test_a_file_that_has_changed_since_is_fetched_anew(server, tmp_path):
    server.tag = '"of today"'
    leave(tmp_path / "file", b"A" * 7, server.url, '"of yesterday"')
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    leave(tmp_path / "again", CONTENT[:7], server.url, '"of today"')
    fetch(server, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == CONTENT
    assert server.ranges == ["bytes=7-"] * 2


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(server, tmp_path):
    leave(tmp_path / "file", CONTENT + b"more", server.url)
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges(server, tmp_path):
    server.knows_ranges = False
    leave(tmp_path / "file", b"other bytes", server.url)
    fetch(server, tmp_path / "file", sha256=SHA256)
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
