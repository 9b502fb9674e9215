"""The TripAdvisor hotel reviews of Wang, Lu and Zhai (KDD 2010, 2011), in both of their raw forms.

A file a hotel, in a folder or in a tar archive, which is read in one pass and never unpacked to
disk. `hotel_<item>_parsed.txt` (2009) holds records of four lines and a blank one,

    <Author>name
    <Content>title and text
    <Date>Dec 30, 2008
    <Rating>4	4	4	5	4	4	4	4

with the overall rating first, then seven aspects; −1 and 0 stand for missing. `<item>.json` (2012)
holds one object whose `Reviews` have `Author Title Content Date Ratings`, with `Ratings["Overall"]`
and dates such as "October 20, 2012".
"""

import datetime
import functools
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.raw_files import open_raw
from symcere_jax.preparation.read.rows import RawBlock, RawBlocks, ReadingLog, RowError, shorten
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import Source

_FILE_NAME = re.compile(r"hotel_(\d+)_parsed\.txt|(\d+)\.json")
_TAGS = ("<Author>", "<Content>", "<Date>", "<Rating>")
_MAX_NON_ASCII = 0.3
_MAX_BYTES = 1 << 28  # of the file of a hotel, which is read as a whole


class _Review(NamedTuple):
    line: int  # or number of the review, within the file, from 1
    author: str  # may be empty, or shared by all who gave no name
    text: str
    second: int  # of the day at 00:00 UTC
    rating: float


class _Member(tarfile.TarInfo):
    """A member of an archive that must be whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        """Refuses a damaged header, or none, which tarfile takes for the end of the archive."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf and not any(buf):
                raise  # zeros, the proper end
            raise tarfile.ReadError(f"cut off or damaged: {error}") from None


def _read(settings: PrepareSettings, log: ReadingLog) -> RawBlocks:
    n_files = 0
    for label, name, content in _hotel_files(settings.path, log):
        n_files += 1
        yield _block(label, name, content, log)
    if not n_files:
        raise DataError(f"{settings.path} has no files hotel_<number>_parsed.txt or <number>.json")


def _block(label: str, name: str, content: bytes, log: ReadingLog) -> RawBlock:
    match = _FILE_NAME.fullmatch(name)
    assert match
    parse, unit = (_text_reviews, "line") if match[1] else (_json_reviews, "review")
    kept: list[_Review] = []
    for review in parse(label, content, log):
        reason = _why_dropped(review)
        if reason:
            log.dropped[reason] += 1
        else:
            kept.append(review)
    names = ("line", "user_id", "text", "timestamp", "rating")
    columns = {name: [review[place] for review in kept] for place, name in enumerate(names)}
    lines = np.array(columns.pop("line"), np.int64)
    columns["item_id"] = [match[1] or match[2]] * len(kept)
    return RawBlock.of(columns, lines, f"{label}, {unit}")


def _hotel_files(path: Path, log: ReadingLog) -> Iterator[tuple[str, str, bytes]]:
    """Label, name and content of each file."""
    if path.is_dir():
        files = (file for file in sorted(path.rglob("*")) if _FILE_NAME.fullmatch(file.name))
        for file in tqdm(list(files), desc=path.name, leave=False, disable=None):
            log.files[file] = None
            _check_size(str(file), file.stat().st_size)
            yield str(file), file.name, file.read_bytes()
        return
    log.files[path] = None
    with open_raw(path) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
                for member in archive:
                    # Read as it passes, never unpacked: where its name leads is of no account.
                    content = archive.extractfile(member) if member.isreg() else None
                    name = Path(member.name).name
                    if content and _FILE_NAME.fullmatch(name):
                        _check_size(f"{path}:{member.name}", member.size)
                        yield f"{path}:{member.name}", name, content.read()
        except tarfile.TarError as error:
            raise DataError(f"{path}: not a whole tar archive ({error})") from None


def _check_size(label: str, n_bytes: int) -> None:
    if n_bytes > _MAX_BYTES:
        raise DataError(f"{label}: {n_bytes:,} bytes, more than the reviews of a hotel can be")


def _text_reviews(label: str, content: bytes, log: ReadingLog) -> Iterator[_Review]:
    """Yields the reviews of a file of tagged lines, read as UTF-8 with replacement.

    After a malformed record, reading resumes at the next author.
    """
    values: list[str] = []
    number = first = 0
    # Lines end at \n only: texts hold other characters that splitlines() takes for line ends.
    for number, line in enumerate(content.decode("utf-8-sig", "replace").split("\n"), start=1):
        line = line.strip()
        if not line:
            continue
        tag = _TAGS[len(values)]
        if not line.startswith(tag):
            message = f"{label}, line {number}: expected {tag}, found {shorten(line)}"
            log.add(RowError(message, f"no {tag}"))
            values = []
            if not line.startswith(_TAGS[0]):
                continue
        if not values:
            first = number
        values.append(line[len(_TAGS[len(values)]) :].strip())
        if len(values) == len(_TAGS):
            author, text, date, ratings = values
            values = []
            try:
                second = _seconds(date, "%b %d, %Y")
                review = _Review(first, author, text, second, float(int(ratings.split("\t")[0])))
            except ValueError as error:
                message = f"{label}, line {number}: bad date or rating ({error})"
                log.add(RowError(message, "date or rating"))
            else:
                yield review
    if values:
        message = f"{label}, line {number}: the last record has no {_TAGS[len(values)]}"
        log.add(RowError(message, "record cut off"))


def _json_reviews(label: str, content: bytes, log: ReadingLog) -> Iterator[_Review]:
    """Yields the reviews of a JSON file; the whole file is a bad row where it is no JSON."""
    try:
        hotel = json.loads(content.decode("utf-8-sig", "replace"))
        reviews = hotel["Reviews"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{label}: not a hotel's JSON object with Reviews ({error})"
        log.add(RowError(message, "not valid JSON"))
        return
    for number, review in enumerate(reviews if isinstance(reviews, list) else [], start=1):
        try:
            yield _of_json(number, review)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{label}, review {number}: bad date, rating or field ({error})"
            log.add(RowError(message, "date or rating"))


def _of_json(number: int, review: dict[str, Any]) -> _Review:
    title, text = (str(review.get(part) or "").strip() for part in ("Title", "Content"))
    return _Review(
        number,
        _utf8(str(review.get("Author") or "").strip()),
        _utf8(". ".join(part for part in (title.strip('“”"'), text) if part)),
        _seconds(review["Date"], "%B %d, %Y"),
        float(review.get("Ratings", {}).get("Overall", -1)),
    )


def _utf8(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can escape and UTF-8 cannot hold."""
    return text.encode(errors="replace").decode()


@functools.cache
def _seconds(date: str, pattern: str) -> int:
    """Unix seconds of a day at 00:00 UTC. Cached: parsing is slow, and there are few days."""
    day = datetime.datetime.strptime(date, pattern)
    return int(day.replace(tzinfo=datetime.UTC).timestamp())


def _why_dropped(review: _Review) -> str | None:
    author, text = review.author, review.text
    # The shared names of reviewers who gave none would otherwise be one user with thousands of
    # reviews, around whom a k-core forms that is not there.
    if author.startswith("A TripAdvisor"):
        return "anonymous author"
    if author in ("", "lass=") or "</a>" in author:
        return "author missing or misread"
    if not 1 <= review.rating <= 5:
        return "no overall rating"
    if "showReview(" in text:
        return "text is cut off"
    if len(text) - len(text.encode("ascii", "ignore")) > _MAX_NON_ASCII * len(text):
        return "text is over 30 % non-ASCII"
    return None


SOURCE = Source(
    "tripadvisor_lara",
    _read,
    obtain="its authors give the archive for research at "
    "https://www.cs.virginia.edu/~hw5x/Data/LARA/",
)
