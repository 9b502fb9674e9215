"""What the tests of data_prep share: small raw files, a recording text encoder, the binary."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings

from symcere_jax.callbacks import MessageCallback
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.text.encoders.base import Reviews, TextFeatures
from tests import binaries
from tests.preparation.folders import row_of, write_json

STORED_COLUMNS = ("user_id", "item_id", "rating", "timestamp", "text", "split")

settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
settings.load_profile("untimed")


@pytest.fixture(scope="module")
def run_prepare() -> Iterator[Callable[..., binaries.Run]]:
    """Runs the binary in this process, from the command line to the exit status."""
    with binaries.loaded("prepare") as module:
        yield functools.partial(binaries.run, module)


@pytest.fixture
def make_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ReviewStore]]:
    """Makes stores of raw reviews: column -> values; row, file and line count up by default."""
    stores: list[ReviewStore] = []

    def make(columns: dict[str, list]) -> ReviewStore:
        store = ReviewStore(tmp_path_factory.mktemp("store"), memory_bytes=2**30, threads=1)
        stores.append(store)
        n = len(next(iter(columns.values())))
        counting = {"row": range(n), "file": ["file, line"] * n, "line": range(1, n + 1)}
        columns = dict.fromkeys(STORED_COLUMNS, [None] * n) | counting | columns
        store.add(pa.table({name: pa.array(values) for name, values in columns.items()}))
        store.finish()
        return store

    yield make
    for store in stores:
        store.close()


class RecordingEncoder:
    """Counts letters of training reviews, and keeps what it was given."""

    name = "recording"

    def __init__(self) -> None:
        self.seen: Reviews | None = None

    def encode(
        self, reviews: Reviews, announce: MessageCallback = lambda stage: None
    ) -> TextFeatures:
        self.seen = dataclasses.replace(reviews, texts=list(reviews.texts))
        announce("counting letters")
        features = np.array([[len(text), text.count("a")] for text in reviews.texts], np.float32)
        sums = {}
        for rows, of_review, n_rows in (
            ("users", reviews.user, reviews.n_users),
            ("items", reviews.item, reviews.n_items),
        ):
            sums[rows] = np.zeros((n_rows, 2), np.float32)
            np.add.at(sums[rows], of_review[reviews.is_train], features[reviews.is_train])
        return TextFeatures(features, sums["users"], sums["items"], {"letters": "a"})


@pytest.fixture
def encoder() -> RecordingEncoder:
    return RecordingEncoder()


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """12 users with 1 … 12 reviews on 12 items, in no particular order."""
    rows = [
        row_of(
            f"u{user:02}",
            f"i{(user * 5 + place) % 12:02}",
            f"text by writer{user} number{place}",
            1000 * user + (place * 7) % 13,
            rating=1 + (user + place) % 5,
        )
        for user in range(12)
        for place in range(user + 1)
    ]
    return [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as JSON lines."""

    def write(rows: list[dict[str, Any]], name: str = "reviews.jsonl") -> Path:
        return write_json(tmp_path / name, rows)

    return write


@pytest.fixture
def write_hotels(tmp_path: Path) -> Callable[..., Path]:
    """Writes hotel files in the raw TripAdvisor format: hotel -> (author, text, date, rating)."""

    def write(hotels: dict[int, list[tuple[str, str, str, str]]]) -> Path:
        folder = tmp_path / "Data" / "Texts"
        folder.mkdir(parents=True)
        for hotel, records in hotels.items():
            content = "".join(
                f"<Author>{author}\r\n<Content>{text}  \r\n<Date>{date}\r\n"
                f"<Rating>{rating}\t-1\t4\t5\t4\t-1\t4\t4\t\r\n\r\n"
                for author, text, date, rating in records
            )
            (folder / f"hotel_{hotel}_parsed.txt").write_bytes(content.encode())
        return tmp_path / "Data"

    return write


@pytest.fixture
def grow(tmp_path):
    """Prepares some rows, unless None, without an encoder, then appends others."""

    def run(first, more, *, prepared=None, announce=lambda stage: None, **settings):
        preparation = PrepareSettings(
            source=settings.pop("source", "table"),
            input=tmp_path / "rows.jsonl",
            output=tmp_path / "data",
            text_encoder="none",
        )
        steps = [(first, {"overwrite": True, **(prepared or {})})] if first is not None else []
        for rows, step in [*steps, (more, {"append": True, **settings})]:
            write_json(preparation.path, rows)
            dataset = prepare(dataclasses.replace(preparation, **step), announce=announce)
        return dataset

    return run
