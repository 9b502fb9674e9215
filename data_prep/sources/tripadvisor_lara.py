"""The TripAdvisor hotel reviews of Wang, Lu and Zhai (KDD 2010, 2011), in their raw form.

A file `hotel_<item>_parsed.txt` a hotel, in a folder or in a tar archive, which is read in one
pass and never unpacked to disk. A record is four lines and a blank one:

    <Author>name
    <Content>title and text
    <Date>Dec 30, 2008
    <Rating>4	4	4	5	4	4	4	4

with the overall rating first, then seven aspects; −1 and 0 stand for missing.
"""

import datetime
import functools
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from data_prep.config import PrepareConfig
from data_prep.sources.raw import RAW_SCHEMA, Origin, RawReviews, open_raw, shorten
from symcere_jax.errors import DataError

_TAGS = ("<Author>", "<Content>", "<Date>", "<Rating>")
_FILE_NAME = re.compile(r"hotel_(\d+)_parsed\.txt")
_MAX_NON_ASCII = 0.3

# Why a row is left out. The shared names of reviewers who gave none would otherwise be one user
# with thousands of reviews, around whom a k-core forms that is not there.
_ANONYMOUS = "anonymous author"
_BAD_AUTHOR = "author missing or misread"
_NO_RATING = "no overall rating"
_CUT_OFF = "text is cut off"
_FOREIGN = "text is over 30 % non-ASCII"


def read(config: PrepareConfig) -> RawReviews:
    """Reads and cleans all hotel files.

    Args:
        config: its `input` is the folder, or a tar archive packed by xz, gzip, bzip2 or not at all.

    Raises:
        DataError: there is no hotel file, or one has another format.
    """
    assert config.input is not None
    labels: list[str] = []
    rows: list[tuple[str, str, float, int, str]] = []
    file_and_line: list[tuple[int, int]] = []
    dropped = dict.fromkeys((_ANONYMOUS, _BAD_AUTHOR, _NO_RATING, _CUT_OFF, _FOREIGN), 0)
    for path, item, content in _hotel_files(config.input):
        labels.append(f"{path}, line")
        for line, author, text, date, rating in _records(path, content):
            reason = _why_dropped(author, text, rating)
            if reason:
                dropped[reason] += 1
                continue
            rows.append((author, item, rating, date, text))
            file_and_line.append((len(labels) - 1, line))
    if not labels:
        raise DataError(f"{config.input} has no files hotel_<number>_parsed.txt")
    columns = list(zip(*rows, strict=True)) or [()] * 5
    n_rows = len(rows)
    table = pa.table([*columns, pa.nulls(n_rows)], schema=RAW_SCHEMA)
    places = np.array(file_and_line, np.int64).reshape(n_rows, 2)
    return RawReviews(
        table=table,
        origin=Origin(tuple(labels), places[:, 0].astype(np.int32), places[:, 1]),
        n_read=n_rows + sum(dropped.values()),
        dropped=dropped,
        options={},
        files=_raw_files(config.input),
    )


def _raw_files(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        return (path,)
    return tuple(file for file in sorted(path.rglob("*.txt")) if _FILE_NAME.fullmatch(file.name))


def _hotel_files(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yields path (for messages), item and content of each hotel file."""
    if path.is_dir():
        for file in tqdm(_raw_files(path), desc=path.name, leave=False, disable=None):
            with file.open("rb") as stream:
                yield str(file), _item(file.name), stream.read()
        return
    with open_raw(path) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    if content and _FILE_NAME.fullmatch(Path(member.name).name):
                        yield f"{path}:{member.name}", _item(member.name), content.read()
        except tarfile.TarError as error:
            raise DataError(f"{path}: not a whole tar archive ({error})") from None


def _item(path: str) -> str:
    match = _FILE_NAME.fullmatch(Path(path).name)
    assert match
    return match[1]


def _records(path: str, content: bytes) -> Iterator[tuple[int, str, str, int, int]]:
    """Yields line, author, text, Unix seconds and overall rating of each record."""
    values: list[str] = []
    number = first = 0
    # Lines end at \n only: texts hold other characters that splitlines() takes for line ends.
    for number, line in enumerate(content.decode("utf-8-sig", "replace").split("\n"), start=1):
        line = line.strip()
        if not line:
            continue
        tag = _TAGS[len(values)]
        if not line.startswith(tag):
            raise DataError(f"{path}, line {number}: expected {tag}, found {shorten(line)}")
        if not values:
            first = number
        values.append(line[len(tag) :].strip())
        if len(values) == len(_TAGS):
            author, text, date, ratings = values
            try:
                yield first, author, text, _seconds(date), int(ratings.split("\t")[0])
            except ValueError as error:
                raise DataError(f"{path}, line {number}: bad date or rating ({error})") from None
            values = []
    if values:
        raise DataError(f"{path}, line {number}: the last record has no {_TAGS[len(values)]}")


@functools.cache
def _seconds(date: str) -> int:
    """Unix seconds of a day at 00:00 UTC. Cached: parsing is slow, and there are few days."""
    day = datetime.datetime.strptime(date, "%b %d, %Y")
    return int(day.replace(tzinfo=datetime.UTC).timestamp())


def _why_dropped(author: str, text: str, rating: int) -> str | None:
    if author.startswith("A TripAdvisor"):
        return _ANONYMOUS
    if author in ("", "lass=") or "</a>" in author:
        return _BAD_AUTHOR
    if not 1 <= rating <= 5:
        return _NO_RATING
    if "showReview(" in text:
        return _CUT_OFF
    if len(text) - len(text.encode("ascii", "ignore")) > _MAX_NON_ASCII * len(text):
        return _FOREIGN
    return None
