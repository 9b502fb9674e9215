import datetime
import tarfile

import pytest

from data_prep.config import PrepareConfig
from data_prep.sources import tripadvisor_lara
from symcere_jax.errors import DataError

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


def read(path):
    return tripadvisor_lara.read(
        PrepareConfig(source="tripadvisor_lara", input=path, output=path / "out")
    )


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
    raw = read(path)
    rows = {(row["user_id"], row["item_id"]): row for row in raw.table.to_pylist()}
    assert {pair: (row["rating"], row["timestamp"], row["text"]) for pair, row in rows.items()} == {
        ("ann", "7"): (4.0, seconds(2008, 12, 30), "Fine view"),
        ("bob", "7"): (1.0, seconds(2003, 2, 3), "ÀÁÂ abcdef"),
        ("ann", "12"): (5.0, seconds(2007, 7, 9), ""),
    }
    assert raw.n_read == 11
    assert list(raw.dropped.values()) == [1, 3, 2, 1, 1]
    assert raw.table["split"].null_count == 3
    last_of_7 = raw.table["text"].to_pylist().index("ÀÁÂ abcdef")
    assert raw.origin(last_of_7).endswith("hotel_7_parsed.txt, line 46")
    assert len(raw.files) == (2 if mode is None else 1)


def test_bytes_that_are_not_utf8_and_other_line_ends_within_a_text(write_hotels):
    folder = write_hotels({1: [("ann", "caf# one\u2028two\x85three", "May 1, 2005", "2")]})
    path = folder / "Texts" / "hotel_1_parsed.txt"
    path.write_bytes(path.read_bytes().replace(b"#", b"\xe9"))
    assert read(folder).table["text"].to_pylist() == ["caf\ufffd one\u2028two\x85three"]


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
    with pytest.raises(DataError, match=r"no\.tar\.xz: not a whole \.xz file"):
        read(tmp_path / "no.tar.xz")
    (tmp_path / "no.tar").write_bytes(b"no archive" * 200)
    with pytest.raises(DataError, match=r"no\.tar: not a whole tar archive"):
        read(tmp_path / "no.tar")
    with pytest.raises(DataError, match="no input at"):
        read(tmp_path / "nowhere.tar.xz")
    archive = packed(write_hotels(HOTELS), "xz")
    archive.write_bytes(archive.read_bytes()[:-150])
    with pytest.raises(DataError, match=r"hotels\.tar\.xz: cut off"):
        read(archive)


def test_nothing_but_dropped_rows(write_hotels):
    raw = read(write_hotels({1: [("lass=", "x", "May 1, 2005", "2")]}))
    assert (len(raw.table), raw.n_read) == (0, 1)
