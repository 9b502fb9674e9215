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

import dataclasses
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from symcere_jax.errors import DataError
from symcere_jax.prepare.read.bad_rows import BadRows
from symcere_jax.prepare.read.raw import RAW_SCHEMA, RawBlock, open_raw
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources.lara_records import HotelReview, json_reviews, text_reviews
from symcere_jax.prepare.sources.source import Source

_FILE_NAME = re.compile(r"hotel_(\d+)_parsed\.txt|(\d+)\.json")
_MAX_NON_ASCII = 0.3
_MAX_BYTES = 1 << 28  # of the file of a hotel, which is read as a whole

# Why a row is left out. The shared names of reviewers who gave none would otherwise be one user
# with thousands of reviews, around whom a k-core forms that is not there.
_ANONYMOUS = "anonymous author"
_BAD_AUTHOR = "author missing or misread"
_NO_RATING = "no overall rating"
_CUT_OFF = "text is cut off"
_FOREIGN = "text is over 30 % non-ASCII"


@dataclasses.dataclass(frozen=True)
class _HotelFile:
    label: str
    item: str
    content: bytes
    file: Path
    parse: Callable[[str, bytes, BadRows], Iterator[HotelReview]]


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


def _read(settings: PrepareSettings, bad: BadRows) -> Iterator[RawBlock]:
    """Reads and cleans all hotel files."""
    assert settings.input is not None
    n_files = 0
    for hotel in _hotel_files(settings.input):
        n_files += 1
        yield _block(hotel, hotel.parse(hotel.label, hotel.content, bad))
    if not n_files:
        raise DataError(f"{settings.input} has no files hotel_<number>_parsed.txt or <number>.json")


def _block(hotel: _HotelFile, reviews: Iterator[HotelReview]) -> RawBlock:
    dropped: Counter[str] = Counter()
    kept: list[HotelReview] = []
    for review in reviews:
        reason = _why_dropped(review.author, review.text, review.rating)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(review)
    n_rows = len(kept)
    columns = [
        [review.author for review in kept],
        [hotel.item] * n_rows,
        [float(review.rating) for review in kept],
        [review.second for review in kept],
        [review.text for review in kept],
        pa.nulls(n_rows, RAW_SCHEMA.field("split").type),
    ]
    lines = np.array([review.line for review in kept], np.int64)
    unit = "line" if hotel.parse is text_reviews else "review"
    table = pa.table(columns, schema=RAW_SCHEMA)
    return RawBlock(table, lines, f"{hotel.label}, {unit}", hotel.file, dropped)


def _hotel_files(path: Path) -> Iterator[_HotelFile]:
    if path.is_dir():
        files = (file for file in sorted(path.rglob("*")) if _FILE_NAME.fullmatch(file.name))
        for file in tqdm(list(files), desc=path.name, leave=False, disable=None):
            _check_size(str(file), file.stat().st_size)
            yield _hotel_file(str(file), file.name, file.read_bytes(), file)
        return
    with open_raw(path) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
                for member in archive:
                    # Read as it passes, never unpacked: where its name leads is of no account.
                    content = archive.extractfile(member) if member.isreg() else None
                    name = Path(member.name).name
                    if content and _FILE_NAME.fullmatch(name):
                        _check_size(f"{path}:{member.name}", member.size)
                        yield _hotel_file(f"{path}:{member.name}", name, content.read(), path)
        except tarfile.TarError as error:
            raise DataError(f"{path}: not a whole tar archive ({error})") from None


def _check_size(label: str, n_bytes: int) -> None:
    if n_bytes > _MAX_BYTES:
        raise DataError(f"{label}: {n_bytes:,} bytes, more than the reviews of a hotel can be")


def _hotel_file(label: str, name: str, content: bytes, file: Path) -> _HotelFile:
    match = _FILE_NAME.fullmatch(name)
    assert match
    parse = text_reviews if match[1] else json_reviews
    return _HotelFile(label, match[1] or match[2], content, file, parse)


def _why_dropped(author: str, text: str, rating: float) -> str | None:
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


SOURCE = Source(
    "tripadvisor_lara",
    _read,
    obtain="its authors give the archive for research at "
    "https://www.cs.virginia.edu/~hw5x/Data/LARA/",
    may_download=False,
)
