"""Parsers of the two kinds of files of the TripAdvisor LARA data."""

import dataclasses
import datetime
import functools
import json
from collections.abc import Iterator
from typing import Any

from symcere_jax.prepare.read.bad_rows import BadRows, RowError
from symcere_jax.prepare.read.raw import shorten

_TAGS = ("<Author>", "<Content>", "<Date>", "<Rating>")


@dataclasses.dataclass(frozen=True)
class HotelReview:
    """A review of a hotel.

    Attributes:
        line: line, or number of the review, within the file, from 1.
        author: may be empty, or shared by all who gave no name.
        text: title and text.
        second: the day, Unix seconds at 00:00 UTC.
        rating: overall rating; −1 and 0 stand for missing.
    """

    line: int
    author: str
    text: str
    second: int
    rating: float


def text_reviews(label: str, content: bytes, bad: BadRows) -> Iterator[HotelReview]:
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
            bad.add(RowError(message, f"no {tag}"))
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
                review = HotelReview(first, author, text, second, int(ratings.split("\t")[0]))
            except ValueError as error:
                message = f"{label}, line {number}: bad date or rating ({error})"
                bad.add(RowError(message, "date or rating"))
            else:
                yield review
    if values:
        message = f"{label}, line {number}: the last record has no {_TAGS[len(values)]}"
        bad.add(RowError(message, "record cut off"))


def json_reviews(label: str, content: bytes, bad: BadRows) -> Iterator[HotelReview]:
    """Yields the reviews of a JSON file; the whole file is a bad row where it is no JSON."""
    try:
        hotel = json.loads(content.decode("utf-8-sig", "replace"))
        reviews = hotel["Reviews"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{label}: not a hotel's JSON object with Reviews ({error})"
        bad.add(RowError(message, "not valid JSON"))
        return
    for number, review in enumerate(reviews if isinstance(reviews, list) else [], start=1):
        try:
            yield _of_json(number, review)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{label}, review {number}: bad date, rating or field ({error})"
            bad.add(RowError(message, "date or rating"))


def _of_json(number: int, review: dict[str, Any]) -> HotelReview:
    title, text = (str(review.get(part) or "").strip() for part in ("Title", "Content"))
    return HotelReview(
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
