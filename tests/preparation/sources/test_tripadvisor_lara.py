import datetime
import functools
import tarfile

import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.rows import ReadingLog
from tests.preparation.reading import read_source

HOTELS = {
    7: [
        ("ann", "Fine view", "Dec 30, 2008", "4"),
        ("A TripAdvisor Member", "Anonymous", "Jan 1, 2008", "5"),
        ("lass=", "Scraped", "Jan 1, 2008", "5"),
        ("x</a>", "Scraped", "Jan 1, 2008", "5"),
        ("", "Nobody", "Jan 1, 2008", "5"),
        ("bob", "Unrated", "Jan 1, 2008", "0"),
        ("bob", "Missing", "Jan 1, 2008", "-1"),
        ("bob", "Cut...   showReview(123, 'full');", "Jan 1, 2008", "3"),
        ("bob", "ÀÁÂÃ abcdef", "Jan 1, 2008", "3"),
        ("bob", "ÀÁÂ abcdef", "Feb 3, 2003", "1"),
    ],
    12: [("ann", "", "Jul 9, 2007", "5")],
}


read = functools.partial(read_source, "tripadvisor_lara")


def texts_of(path, log=None) -> list[str]:
    return [row["text"] for row in read(path, log)[0]]


def seconds(*day: int) -> int:
    return int(datetime.datetime(*day, tzinfo=datetime.UTC).timestamp())


def packed(folder, mode):
    path = folder.parent / f"hotels.tar.{mode}"
    with tarfile.open(path, f"w:{mode}") as archive:
        archive.add(folder, "Data")
    return path


@pytest.mark.parametrize("mode", [None, "xz", "gz", ""])
def test_folder_and_archives(write_hotels, mode):
    path = write_hotels(HOTELS)
    if mode is not None:
        path = packed(path, mode)
    rows, places, log = read(path)
    assert {tuple(row.values())[:5] for row in rows} == {
        ("ann", "7", 4.0, seconds(2008, 12, 30), "Fine view"),
        ("bob", "7", 1.0, seconds(2003, 2, 3), "ÀÁÂ abcdef"),
        ("ann", "12", 5.0, seconds(2007, 7, 9), ""),
    }
    assert log.dropped == {
        "anonymous author": 1,
        "author missing or misread": 3,
        "no overall rating": 2,
        "text is cut off": 1,
        "text is over 30 % non-ASCII": 1,
    }
    assert any(place.endswith("hotel_7_parsed.txt, line 46") for place in places)
    assert len(log.files) == (2 if mode is None else 1)


def test_bytes_that_are_not_utf8_and_other_line_ends_within_a_text(write_hotels):
    folder = write_hotels({1: [("ann", "caf# one\u2028two\x85three", "May 1, 2005", "2")]})
    path = folder / "Texts" / "hotel_1_parsed.txt"
    path.write_bytes(path.read_bytes().replace(b"#", b"\xe9"))
    assert texts_of(folder) == ["caf\ufffd one\u2028two\x85three"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"<Date>", b"<Day>", "line 3: expected <Date>, found '<Day>"),
        (b"<Content>Fine view  \r\n", b"", "line 2: expected <Content>, found '<Date>"),
        (b"Dec 30", b"30 Dec", "line 4: bad date or rating"),
        (b"<Rating>4\t", b"<Rating>four\t", "line 4: bad date or rating"),
    ],
)
def test_a_malformed_record_names_its_line(write_hotels, old, new, message):
    folder = write_hotels(HOTELS)
    path = folder / "Texts" / "hotel_7_parsed.txt"
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(DataError, match=message) as error:
        read(folder)
    assert "hotel_7_parsed.txt" in str(error.value)


def test_a_record_that_ends_early(write_hotels):
    folder = write_hotels({3: [("ann", "Fine", "May 1, 2005", "2")]})
    path = folder / "Texts" / "hotel_3_parsed.txt"
    path.write_bytes(path.read_bytes().split(b"<Rating>")[0])
    with pytest.raises(DataError, match="line 4: the last record has no <Rating>"):
        read(folder)


def test_inputs_without_hotels(tmp_path, write_hotels):
    with pytest.raises(DataError, match="no files hotel_"):
        read(tmp_path)
    (tmp_path / "no.tar.xz").write_bytes(b"no archive" * 200)
    with pytest.raises(DataError, match=r"no\.tar\.xz: not a complete \.xz file"):
        read(tmp_path / "no.tar.xz")
    (tmp_path / "no.tar").write_bytes(b"no archive" * 200)
    with pytest.raises(DataError, match=r"no\.tar: not a complete tar archive"):
        read(tmp_path / "no.tar")
    with pytest.raises(DataError, match="no input at"):
        read(tmp_path / "nowhere.tar.xz")
    archive = packed(write_hotels(HOTELS), "xz")
    archive.write_bytes(archive.read_bytes()[:-150])
    with pytest.raises(DataError, match=r"hotels\.tar\.xz: truncated"):
        read(archive)


def test_nothing_but_dropped_rows(write_hotels):
    rows, _, log = read(write_hotels({1: [("lass=", "x", "May 1, 2005", "2")]}))
    assert (rows, log.dropped.total()) == ([], 1)


def test_bad_records_are_skipped_and_counted(write_hotels):
    day = "May 1, 2005"
    folder = write_hotels({1: [(f"u{n}", f"text {n}", day, "2") for n in range(5)]})
    path = folder / "Texts" / "hotel_1_parsed.txt"
    content = path.read_bytes().replace(b"<Content>text 1  \r\n", b"")
    content = content.replace(
        b"u3\r\n<Content>text 3  \r\n<Date>May", b"u3\r\n<Content>text 3\r\n<Date>"
    )
    path.write_bytes(content.removesuffix(b"\r\n\r\n")[:-30])
    log = ReadingLog("skip", 1)
    assert texts_of(folder, log) == ["text 0", "text 2"]
    assert log.n_bad >= 3


@pytest.mark.parametrize("damage", ["header", "cut"])
def test_an_archive_that_is_damaged_between_its_members(write_hotels, tmp_path, damage):
    whole = packed(write_hotels(HOTELS), "").read_bytes()
    start = whole.rindex(b"hotel_", 0, whole.rindex(b"_parsed.txt")) // 512 * 512
    assert start > 512
    path = tmp_path / "damaged.tar"
    path.write_bytes(
        whole[:start] if damage == "cut" else whole[:start] + b"#" + whole[start + 1 :]
    )
    with pytest.raises(
        DataError, match=r"damaged\.tar: not a complete tar archive \(truncated or dam"
    ):
        read(path)
