"""Titles and categories of the items of a table: in a column of its own, or in another table."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from tests.preparation.folders import write_json

REVIEWS = [
    {"user_id": f"u{user}", "sku": item, "name": name}
    for user, item, name in [
        (1, 1, ""), (2, 1, " "), (3, 1, "Zebra"), (4, 1, "Ant"), (1, 2, "nan"), (1, 3, "Ox"),
    ]
]  # fmt: skip
KNOWN = [
    {"sku": 1, "name": 'Zebra, "new"', "categories": ["Animals", "Striped"]},
    {"sku": 2, "name": None, "categories": None},
    {"sku": 9, "name": "of no review", "categories": []},
]


def items(folder, **settings):
    path = write_json(folder / "reviews.jsonl", REVIEWS)
    settings = {"item_field": "sku", "title_field": "name", "text_encoder": "none"} | settings
    settings = {"source": "table", "input": path, "output": folder / "out"} | settings
    dataset = prepare(PrepareSettings(**settings))
    return pq.read_table(dataset.folder / "items.parquet").drop_columns("item").to_pylist()


def test_the_first_title_that_is_not_empty(tmp_path):
    titles = {"1": "Zebra", "2": None, "3": "Ox"}
    assert items(tmp_path) == [
        {"item_id": item, "title": title, "categories": None} for item, title in titles.items()
    ]


@pytest.mark.parametrize("name", ["items.jsonl", "items.csv", "items.parquet"])
def test_a_table_of_items(tmp_path, name):
    path = tmp_path / name
    joined = [row | {"categories": " > ".join(row["categories"] or ())} for row in KNOWN]
    if name == "items.jsonl":
        write_json(path, KNOWN)
    elif name == "items.parquet":
        pq.write_table(pa.Table.from_pylist(KNOWN), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, joined[0], delimiter=";")
            writer.writeheader()
            writer.writerows(joined)
    found = items(tmp_path, item_metadata=path)
    assert [row["item_id"] for row in found] == ["1", "2", "3"]
    assert found[0] == {
        "item_id": "1",
        "title": KNOWN[0]["name"],
        "categories": "Animals > Striped",
    }
    assert not any(row["title"] or row["categories"] for row in found[1:])


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no field 'label'; it has: .*--title_field"):
        items(tmp_path, title_field="label")
    path = tmp_path / "items.csv"
    path.write_text("id,name\n1,x\n")
    with pytest.raises(DataError, match=r"items\.csv needs a field 'sku'"):
        items(tmp_path, item_metadata=path)
    path.write_text("sku,name\n,x\n")
    with pytest.raises(DataError, match=r"items\.csv, line 2: no sku"):
        items(tmp_path, item_metadata=path)
    with pytest.raises(ConfigError, match="--title_field is given, but --source=yelp"):
        items(tmp_path, source="yelp")
