"""The TripAdvisor hotel reviews of Wang, Lu and Zhai (KDD 2010, 2011), in their raw text form.

A file `hotel_<item>_parsed.txt` for each hotel, in a folder or in a tar archive, which is read in
one pass and never unpacked to disk. It holds records of four lines and a blank one,

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

import pyarrow as pa
from tqdm import tqdm

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.raw_files import open_raw
from symcere_jax.preparation.read.rows import RawRows, ReadingLog, RowError, raw_rows, shorten
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import Source

_FILE_NAME = re.compile(r"hotel_(\d+)_parsed\.txt")
_TAGS = ("<Author>", "<Content>", "<Date>", "<Rating>")
_COLUMNS = ("user_id", "text", "timestamp", "rating")
_MAX_NON_ASCII = 0.3
_MAX_BYTES = 1 << 28  # of the file of a hotel, which is read as a whole


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
            raise tarfile.ReadError(f"truncated or damaged: {error}") from None


def _read(settings: PrepareSettings, log: ReadingLog) -> RawRows:
    n_files = 0
    for label, item, content in _hotel_files(settings.path, log):
        n_files += 1
        rows: dict[str, list] = {name: [] for name in ("line", *_COLUMNS)}
        for line, values in _records(label, content, log):
            reason = _why_dropped(*values)
            if reason:
                log.dropped[reason] += 1
                continue
            for column, value in zip(rows.values(), (line, *values), strict=True):
                column.append(value)
        yield raw_rows(
            {**rows, "item_id": pa.repeat(item, len(rows["line"]))}, rows["line"], f"{label}, line"
        )
    if not n_files:
        raise DataError(f"{settings.path} has no files hotel_<number>_parsed.txt")


def _hotel_files(path: Path, log: ReadingLog) -> Iterator[tuple[str, str, bytes]]:
    """Label, number of the hotel and content of each file."""
    if path.is_dir():
        for file in tqdm(sorted(path.rglob("*")), desc=path.name, leave=False, disable=None):
            if match := _FILE_NAME.fullmatch(file.name):
                log.files[file] = None
                _check_size(str(file), file.stat().st_size)
                yield str(file), match[1], file.read_bytes()
        return
    log.files[path] = None
    with open_raw(path) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
                for member in archive:
                    # Read as it passes, never unpacked, so the path in its name is harmless.
                    content = archive.extractfile(member) if member.isreg() else None
                    match = _FILE_NAME.fullmatch(Path(member.name).name)
                    if content and match:
                        _check_size(f"{path}:{member.name}", member.size)
                        yield f"{path}:{member.name}", match[1], content.read()
        except tarfile.TarError as error:
            raise DataError(f"{path}: not a complete tar archive ({error})") from None


def _check_size(label: str, n_bytes: int) -> None:
    if n_bytes > _MAX_BYTES:
        raise DataError(f"{label}: {n_bytes:,} bytes, more than the reviews of a hotel can be")


def _records(label: str, content: bytes, log: ReadingLog) -> Iterator[tuple[int, tuple]]:
    """The first line and the values of `_COLUMNS` of each record, as UTF-8 with replacement.

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
                yield first, (author, text, _seconds(date), float(int(ratings.split("\t")[0])))
            except ValueError as error:
                message = f"{label}, line {number}: bad date or rating ({error})"
                log.add(RowError(message, "date or rating"))
    if values:
        message = f"{label}, line {number}: the last record has no {_TAGS[len(values)]}"
        log.add(RowError(message, "record cut off"))


@functools.cache
def _seconds(date: str) -> int:
    """Unix seconds of a day at 00:00 UTC. Cached: parsing is slow, and there are few days."""
    day = datetime.datetime.strptime(date, "%b %d, %Y")
    return int(day.replace(tzinfo=datetime.UTC).timestamp())


def _why_dropped(author: str, text: str, second: int, rating: float) -> str | None:
    # The shared names of reviewers who gave none would otherwise be one user with thousands of
    # reviews, around whom a k-core forms that is not there.
    if author.startswith("A TripAdvisor"):
        return "anonymous author"
    if author in ("", "lass=") or "</a>" in author:
        return "author missing or misread"
    if not 1 <= rating <= 5:
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
