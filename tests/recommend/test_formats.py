import csv
import dataclasses
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from symcere_jax.recommend import formats
from symcere_jax.recommend.explanation import ScoredItem
from symcere_jax.recommend.formats import (
    RankingBlock,
    print_recommendations,
    ranking_line,
    write_block,
)

BLOCK = RankingBlock(
    users=np.array(["ann", 'b,"é'], object),
    items=np.array(["x", "y", "z"], object),
    scores=np.float32([3.25, -1.5, 0.125]),
    lengths=np.array([1, 2]),
)
ROWS = [("ann", 1, "x", 3.25), ('b,"é', 1, "y", -1.5), ('b,"é', 2, "z", 0.125)]


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_every_format_says_the_same(suffix, tmp_path):
    path = tmp_path / f"part{suffix}"
    write_block(path, suffix, BLOCK)
    if suffix == ".parquet":
        columns = pq.read_table(path).to_pydict().values()
        rows = list(zip(*columns, strict=True))
    elif suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(u, int(rank), i, float(score)) for u, rank, i, score in csv.reader(file)]
    else:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [
            (line["user_id"], rank, item["item_id"], item["score"])
            for line in lines
            for rank, item in enumerate(line["items"], 1)
        ]
    assert rows == ROWS


def test_a_ranking_is_a_line(recommender):
    found = [ScoredItem("item-03", 1.23456789)]
    line = ranking_line(recommender, "text", "naïve\nwords", found)
    assert "\n" not in line and "naïve" in line
    assert json.loads(line) == {
        "text": "naïve\nwords",
        "items": [{"item_id": "item-03", "score": 1.234568}],
    }


def test_items_are_named_where_the_data_has_titles(recommender):
    titles = np.array([f"Titel {n} – Ä" for n in range(50)], object)
    titles[7] = None
    titled = dataclasses.replace(recommender, titles=titles).with_items({"new": ["pool"]})
    found = [ScoredItem(name, 1.0) for name in ("item-03", "item-07", "new")]
    items = json.loads(ranking_line(titled, "user_id", None, found))["items"]
    assert [item["title"] for item in items] == ["Titel 3 – Ä", None, None]
    printed = io.StringIO()
    print_recommendations(titled, np.arange(2), printed, k=3)
    for line in printed.getvalue().splitlines():
        for item in json.loads(line)["items"]:
            assert item["title"] == titled.item_titles([item["item_id"]])[0]
    assert recommender.item_titles(["item-03"]) == [None]


def test_printed_some_users_at_a_time(recommender, monkeypatch):
    whole, parts = io.StringIO(), io.StringIO()
    rows = np.array([4, 0, 9, 2, 7])
    print_recommendations(recommender, rows, whole, k=3)
    monkeypatch.setattr(formats, "_PRINTED_USERS", 2)
    print_recommendations(recommender, rows, parts, k=3)
    lines = [json.loads(line) for line in whole.getvalue().splitlines()]
    assert [line["user_id"] for line in lines] == recommender.users.ids[rows].tolist()
    assert [
        [item["item_id"] for item in json.loads(line)["items"]]
        for line in parts.getvalue().splitlines()
    ] == [[item["item_id"] for item in line["items"]] for line in lines]
    assert all(len(line["items"]) == 3 for line in lines)
