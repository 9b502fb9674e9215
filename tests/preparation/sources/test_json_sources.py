"""Amazon, Yelp and HotelRec, on small files in their exact formats."""

import datetime
import gzip
from pathlib import Path

import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.formats import json_lines
from symcere_jax.preparation.read.rows import ReadingLog, RowError
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import SOURCES
from symcere_jax.preparation.sources.source import read_items
from tests.preparation.folders import write_json
from tests.preparation.reading import read_source


def write(path: Path, *rows: dict) -> Path:
    write_json(path, rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def test_python_literals_are_read_and_no_code_is_run():
    lines = [
        "{'reviewerID': 'u1', 'asin': u'i1', 'overall': 4.0, 'reviewText': \"it's fine\"}",
        '{"reviewerID": "u2", "asin": "i1", "overall": 3.0, "reviewText": "plain"}',
        "{u'reviewerID': 'u3', 'asin': 'i2', 'overall': 5, 'reviewText': 'x' + 1}",
        "{'reviewerID': 'u4', 'asin': __import__('os').getcwd(), 'overall': 5}",
    ]
    found = [json_lines.parse_line(line.encode(), "line") for line in lines[:2]]
    assert [row["reviewerID"] for row in found] == ["u1", "u2"]
    assert found[0]["reviewText"] == "it's fine"
    for line in lines[2:]:
        with pytest.raises(RowError, match="not valid JSON"):
            json_lines.parse_line(line.encode(), "line")


def read(source: str, path: Path, log: ReadingLog | None = None, **settings):
    """User, item, rating, time and text of all rows, and what the reader dropped."""
    rows, _, log = read_source(source, path, log, **settings)
    return [tuple(row.values())[:5] for row in rows], log.dropped


def items(source: str, path: Path, **settings) -> list[tuple]:
    preparation = PrepareSettings(source=source, input=path, output=Path("out"), **settings)
    file = SOURCES[source].item_file(preparation)
    tables = read_items(file, SOURCES[source], preparation, ReadingLog("fail", 0))
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


def seconds(*moment: int) -> int:
    return int(datetime.datetime(*moment, tzinfo=datetime.UTC).timestamp())


AMAZON_2018 = {
    "overall": 5.0, "verified": True, "reviewTime": "09 1, 2016", "reviewerID": "A3478QRKQDOPQ2",
    "asin": "0001527665", "reviewerName": "jacki", "reviewText": "great", "summary": "Five Stars",
    "unixReviewTime": 1472688000, "style": {"Format:": " VHS Tape"}, "image": ["https://x"],
    "vote": "3",
}  # fmt: skip


@pytest.mark.parametrize("source", ["amazon_2014", "amazon_2018"])
def test_amazon_2014_and_2018(tmp_path, source):
    bare = {k: v for k, v in AMAZON_2018.items() if k not in ("reviewText", "vote", "image")}
    helpful = AMAZON_2018 | {"helpful": [2, 3], "summary": "", "reviewerID": "B"}
    path = write(tmp_path / "Movies_5.json.gz", AMAZON_2018, bare, helpful)
    rows, _ = read(source, path)
    assert rows[0] == ("A3478QRKQDOPQ2", "0001527665", 5.0, 1472688000, "Five Stars. great")
    assert [text for *_, text in rows[1:]] == ["Five Stars", "great"]


AMAZON_2023 = {
    "rating": 4.0, "title": "Nice", "text": "Fits well", "images": [], "asin": "B07TJ9VVHK",
    "parent_asin": "B08Z743RRD", "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
    "timestamp": 1588615855070, "helpful_vote": 0, "verified_purchase": True,
}  # fmt: skip


def test_amazon_2023(tmp_path):
    path = write(tmp_path / "All_Beauty.jsonl.gz", AMAZON_2023)
    user = AMAZON_2023["user_id"]
    assert read("amazon_2023", path)[0] == [
        (user, "B08Z743RRD", 4.0, 1588615855, "Nice. Fits well")
    ]
    meta = write(
        tmp_path / "meta.jsonl.gz",
        {"parent_asin": "B08Z743RRD", "title": "Brush", "categories": ["Beauty", "Tools"]},
        {"parent_asin": "B1", "title": None, "categories": []},
    )
    assert items("amazon_2023", path, item_metadata=meta) == [
        ("B08Z743RRD", "Brush", "Beauty > Tools"), ("B1", None, "")
    ]  # fmt: skip


def test_a_file_of_another_source_is_named(tmp_path):
    path = write(tmp_path / "r.jsonl", AMAZON_2023)
    with pytest.raises(DataError, match=r"has no field 'reviewerID'; it has: .* another --source"):
        read("amazon_2018", path)


YELP = {
    "review_id": "KU_O5udG6zpxOg-VcAEodg", "user_id": "mh_-eMZ6K5RLWhZyISBhwA", "business_id": "b1",
    "stars": 3.0, "useful": 0, "funny": 0, "cool": 0, "text": "If you decide to eat here",
    "date": "2018-07-07 22:09:11",
}  # fmt: skip
BUSINESSES = [
    {"business_id": "b1", "name": "Turning Point", "city": "Philadelphia", "state": "PA",
     "categories": "Restaurants, Breakfast & Brunch"},
    {"business_id": "b2", "name": "Zaika", "city": "PHILADELPHIA ", "state": "PA",
     "categories": ["Shopping", "Bars"]},
    {"business_id": "b3", "name": "Tap", "city": "Tampa", "state": "FL", "categories": None},
]  # fmt: skip


@pytest.fixture
def yelp(tmp_path) -> Path:
    reviews = [YELP | {"business_id": f"b{n}", "user_id": f"u{n}"} for n in (1, 2, 3)]
    write(tmp_path / "yelp_academic_dataset_review.json", *reviews)
    write(tmp_path / "yelp_academic_dataset_business.json", *BUSINESSES)
    return tmp_path


def test_yelp(yelp):
    rows, dropped = read("yelp", yelp)
    assert rows[0] == ("u1", "b1", 3.0, seconds(2018, 7, 7, 22, 9, 11), YELP["text"])
    assert (len(rows), dropped) == (3, {})
    assert items("yelp", yelp) == [
        ("b1", "Turning Point", "Restaurants, Breakfast & Brunch"),
        ("b2", "Zaika", "Shopping > Bars"),
        ("b3", "Tap", None),
    ]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"city": "philadelphia"}, ["u1", "u2"]),
        ({"state": "PA", "category": "restaurants"}, ["u1"]),
        ({"state": "FL"}, ["u3"]),
        ({"category": "breakfast & brunch"}, ["u1"]),
        ({"category": "bars"}, ["u2"]),
    ],
)
def test_yelp_slices(yelp, settings, kept):
    rows, dropped = read("yelp", yelp, **settings)
    assert [user for user, *_ in rows] == kept
    assert dropped == {"other city, state or category": 3 - len(kept)}


def test_yelp_slices_need_businesses(yelp):
    with pytest.raises(DataError, match="no business matches --city=Paris"):
        read("yelp", yelp, city="Paris")
    (yelp / "yelp_academic_dataset_business.json").unlink()
    with pytest.raises(DataError, match=r"need yelp_academic_dataset_business.json beside"):
        read("yelp", yelp, city="Tampa")
    assert len(read("yelp", yelp)[0]) == 3


HOTELREC = {
    "hotel_url": "Hotel_Review-g194775-d1121769-Reviews-Hotel_Baltic-Giulianova_Abruzzo.html",
    "author": "violettaf340", "date": "2019-01-01T00:00:00", "rating": 5.0, "title": "Excellent",
    "text": "I visited", "property_dict": {"sleep quality": 5.0},
}  # fmt: skip


def test_hotelrec(tmp_path):
    new_york = "Hotel_Review-g60763-d93-Reviews-or5-The_Inn-New_York_City_New_York.html"
    york = "Hotel_Review-g1-d94-Reviews-Inn-York_North_Yorkshire.html"
    others = [HOTELREC | {"hotel_url": url} for url in (new_york, york)]
    path = write(tmp_path / "HotelRec.txt", HOTELREC, *others)
    rows, _ = read("hotelrec", path)
    text = "Excellent. I visited"
    assert rows[0] == ("violettaf340", "1121769", 5.0, seconds(2019, 1, 1), text)
    for city, kept in (("New York City", "93"), ("new_york_city_new_york", "93"), ("York", "94")):
        rows, dropped = read("hotelrec", path, city=city)
        assert [item for _, item, *_ in rows] == [kept]
        assert dropped == {"other city": 2}
    path = write(tmp_path / "bad.txt", HOTELREC, HOTELREC | {"hotel_url": "x"})
    with pytest.raises(DataError, match="line 2: hotel_url is 'x', expected Hotel_Review-g"):
        read("hotelrec", path)


@pytest.mark.parametrize(
    ("source", "row", "field", "value", "message"),
    [
        ("amazon_2018", AMAZON_2018, "overall", "five", "line 2: overall is 'five'"),
        ("amazon_2018", AMAZON_2018, "unixReviewTime", "May", "line 2: unixReviewTime is 'May'"),
        ("amazon_2023", AMAZON_2023, "user_id", ["x"], r"line 2: user_id is \['x'\]"),
        ("yelp", YELP, "date", "July 7", "line 2: date is 'July 7', expected a time"),
        ("hotelrec", HOTELREC, "date", "May 9", "line 2: date is 'May 9'"),
        ("hotelrec", HOTELREC, "rating", True, "line 2: rating is True, expected"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_or_skipped(
    tmp_path, source, row, field, value, message
):
    path = write(tmp_path / "r.json", row, row | {field: value}, row)
    with pytest.raises(DataError, match=message):
        read(source, path)
    log = ReadingLog("skip", 1)
    assert len(read(source, path, log)[0]) == 2
    assert log.dropped == {f"bad row: type of {field}": 1}


@pytest.mark.parametrize("source", ["amazon_2014", "amazon_2018", "amazon_2023", "hotelrec"])
def test_a_review_with_neither_title_nor_text(tmp_path, source):
    row = {"amazon_2023": AMAZON_2023, "hotelrec": HOTELREC}.get(source, AMAZON_2018)
    title, text = ("summary", "reviewText") if row is AMAZON_2018 else ("title", "text")
    bare = {name: value for name, value in row.items() if name not in (title, text)}
    changes = ({}, {title: "", text: ""}, {text: "only"}, {title: None, text: None}, {title: "it"})
    path = write(tmp_path / "r.json", *(bare | change for change in changes))
    rows, _ = read(source, path)
    assert [text for *_, text in rows] == [None, None, "only", None, "it"]


@pytest.mark.parametrize(
    ("source", "row", "field", "column"),
    [
        ("amazon_2018", AMAZON_2018, "overall", 2),
        ("amazon_2023", AMAZON_2023, "timestamp", 3),
        ("yelp", YELP, "stars", 2),
        ("yelp", YELP, "date", 3),
        ("hotelrec", HOTELREC, "rating", 2),
        ("hotelrec", HOTELREC, "date", 3),
    ],
)
def test_a_field_that_a_whole_block_lacks_is_null(
    tmp_path, monkeypatch, source, row, field, column
):
    for name in ("_HEAD_BYTES", "_BLOCK_BYTES"):  # a block a line
        monkeypatch.setattr(json_lines, name, 1)
    monkeypatch.setattr(json_lines, "_parse_fast", lambda *arguments: None)
    without = {name: value for name, value in row.items() if name != field}
    path = write(tmp_path / "r.json", row, without, row)
    rows, _ = read(source, path)
    assert [row[column] is None for row in rows] == [False, True, False]
    assert rows[0] == rows[2]


def test_bad_businesses_are_limited(yelp):
    with (yelp / "yelp_academic_dataset_business.json").open("a") as file:
        file.write('{"business_id": "b4", ')
    skip = {"on_bad_row": "skip", "state": "FL"}
    with pytest.raises(DataError, match="rows are bad, more than --max_bad_share"):
        read("yelp", yelp, **skip)
    assert len(read("yelp", yelp, **skip, max_bad_share=0.5)[0]) == 1
