"""Inputs that are URLs: a local web server that breaks off, is busy or knows no ranges; fsspec."""

import hashlib
import http.server
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import symcere_jax as sj
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.remote import fetch_input, without_secrets

CONTENT = b"user_id,item_id,text\n" + b"".join(
    b"user%d,item%d,%s\n" % (n // 5, n % 5, b"good " * n) for n in range(100)
)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class Server(http.server.ThreadingHTTPServer):
    """Answers with `CONTENT`; what it does wrong is set by a test.

    Attributes:
        breaks_after: bytes after which each answer breaks off.
        busy: number of answers with a range that say 503 first.
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
        return f"http://127.0.0.1:{self.server_address[1]}/my%20reviews.csv"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        is_busy = bool(asked and self.server.busy)
        if self.server.status or is_busy:
            self.send_response(self.server.status or 503)
            if is_busy:
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


@pytest.fixture
def bucket() -> Iterator[fsspec.AbstractFileSystem]:
    memory = fsspec.filesystem("memory")
    for month in (1, 2):
        content = re.sub(rb"item(?=\d)", b"%d_" % month, CONTENT)
        memory.pipe(f"/shop/month={month}/part.csv", content)
    memory.pipe("/shop/_SUCCESS", b"")
    yield memory
    memory.rm("/", recursive=True)


def fetch(url: str, folder: Path) -> tuple[bytes, list[float]]:
    """What is fetched of a file, and the pauses between the attempts."""
    pauses: list[float] = []
    path, _ = fetch_input(url, folder, lambda message: None, pauses.append)
    return Path(path).read_bytes(), pauses


def test_a_whole_file_is_fetched_once(server, tmp_path):
    assert fetch(server.url, tmp_path) == (CONTENT, [])
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert path.name == "my reviews.csv"
    assert fetch(server.url, tmp_path) == (CONTENT, [])
    assert server.ranges == [None, None, None]  # the last one only asks whether it has changed


def test_commas_within_urls_and_between_inputs(server, bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("1.csv").write_bytes(CONTENT)
    bucket.pipe("/shop/1,2.csv", CONTENT)
    named = f"memory://shop/*,2.csv, {server.url}?q=1,2,*.csv,1.csv,none.csv,"
    paths, urls = fetch_input(named, tmp_path / "to", lambda message: None)
    assert list(urls.values()) == ["memory:///shop/1,2.csv", server.url]
    first, second, *local = paths.split(",")
    assert (Path(first).name, Path(second).name) == ("1%2C2.csv", "my reviews.csv")
    assert local == ["*.csv", "1.csv", "none.csv"]


def test_it_resumes_where_the_server_broke_off(server, tmp_path):
    server.breaks_after = 10_000
    assert fetch(server.url, tmp_path)[0] == CONTENT
    assert server.ranges[2:] == ["bytes=10000-", "bytes=20000-"]


class StopError(Exception):
    pass


def stop(seconds: float) -> None:
    raise StopError


@pytest.mark.parametrize(
    ("attribute", "value", "ranges"),
    [
        ("busy", 0, [None, f"bytes={HALF}-"]),
        ("knows_ranges", False, [None, f"bytes={HALF}-"]),
        ("tag", '"tomorrow"', [None, None]),  # another file by now
    ],
)
def test_it_resumes_where_a_killed_run_stopped(server, tmp_path, attribute, value, ranges):
    server.breaks_after = HALF
    with pytest.raises(StopError):
        fetch_input(server.url, tmp_path, lambda message: None, stop)
    server.breaks_after = len(CONTENT)
    server.ranges.clear()
    setattr(server, attribute, value)
    assert fetch(server.url, tmp_path)[0] == CONTENT
    assert server.ranges == ranges


def test_a_busy_server_gets_the_time_that_it_asks_for(server, tmp_path):
    server.breaks_after = HALF + 1
    server.busy = 2
    content, pauses = fetch(server.url, tmp_path)
    assert content == CONTENT and pauses == [1, 7, 7]


def test_pauses_grow_and_end(server, tmp_path):
    server.breaks_after = 0
    pauses: list[float] = []
    with pytest.raises(
        DataError, match=r"not downloaded in 6 attempts \(the connection was lost\)"
    ):
        fetch_input(server.url, tmp_path, lambda message: None, pauses.append)
    assert pauses == [2, 4, 8, 16, 32]


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("http://127.0.0.1:9/none.csv", DataError, "cannot be downloaded .*refused"),
        ("http://host:x/y", DataError, "cannot be downloaded"),
        ("memory://none/reviews.csv", DataError, "no input at memory://none/reviews.csv"),
        ("memory://none/*.csv", DataError, "has no files"),
        ("s3://bucket/reviews.csv", ConfigError, r"s3fs.*pip install 'symcere-jax\[s3\]'"),
        ("gs://bucket/reviews.csv", ConfigError, r"gcsfs.*pip install 'symcere-jax\[gs\]'"),
        ("nowhere://x", DataError, "cannot be downloaded .*nowhere"),
    ],
)
def test_what_cannot_be_fetched(tmp_path, monkeypatch, url, error, message):
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(error, match=message):
        fetch(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_page_and_a_hub_without_network(server, tmp_path, monkeypatch):
    server.status = 404
    with pytest.raises(DataError, match=r"my%20reviews.csv cannot .*the server says 404 Not Found"):
        fetch(server.url, tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"hf://datasets/no/one/x.csv"):
        fetch("hf://datasets/no/one/x.csv", tmp_path)


def test_secrets_of_an_address_are_not_kept():
    url = "https://me:word@host:80/a/b.csv?X-Signature=1#x"
    assert without_secrets(url) == "https://host:80/a/b.csv"


def test_prepare_reads_a_url_and_keeps_where_it_is_from(server, tmp_path):
    data = sj.prepare(server.url, tmp_path / "data", text_encoder="none", sha256=SHA256)
    expected = {"name": server.url, "sha256": SHA256, "bytes": len(CONTENT)}
    assert data.manifest.source["files"] == [expected]
    assert (data.n_users, data.n_items) == (20, 5)
    assert {path.name for path in tmp_path.iterdir()} <= {"data", ".data.lock"}
    with pytest.raises(DataError, match=f"has the sha256 {SHA256}, expected 0000"):
        sj.prepare(server.url, tmp_path / "new", text_encoder="none", sha256="0" * 64)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "named",
    ["memory://shop", "memory://shop/*/part.csv", "memory://shop/month=1,memory://shop/m*2"],
)
def test_a_folder_a_pattern_and_several(bucket, tmp_path, named):
    settings = PrepareSettings(
        source="table", input=named, output=tmp_path / "data", text_encoder="none"
    )
    data = prepare(settings)
    assert sorted(data.item_ids()) == [f"{month}_{n}" for month in (1, 2) for n in range(5)]
    names = [file["name"] for file in data.manifest.source["files"]]
    assert names == [f"memory:///shop/month={month}/part.csv" for month in (1, 2)]
