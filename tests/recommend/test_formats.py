import dataclasses
import json

import numpy as np
import pytest

from symcere_jax.errors import DataError
from symcere_jax.recommend.explanation import ScoredItem
from symcere_jax.recommend.formats import FORMATS, json_line, ranking_entries, read_ids, write_part
from symcere_jax.recommend.ids import IdMap
from symcere_jax.recommend.retrieval import TopItems

from .conftest import read


@pytest.fixture
def named(recommender):
    """A recommender with difficult ids, integers among them, and titles."""
    users = IdMap("user", np.array(["12", "-7", "0"], object), is_integer=True)
    items = IdMap("item", np.array(['x "y",\n', "z", "w"], object))
    titles = np.array(["Ä", None, "c"], object)
    return dataclasses.replace(recommender, users=users, items=items, titles=titles)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_has_the_same_content(named, suffix, tmp_path):
    path = tmp_path / f"part{suffix}"
    items = np.int32([[2, -1], [0, 1], [-1, -1]])
    top = TopItems(items, np.where(items < 0, -np.inf, [[3.25, 0], [-1.5, 0.125], [0, 0]]))
    write_part(path, suffix, named, np.array([0, 1, 2]), top)
    columns = ("user_id", "item_id", "rank", "score", "title")
    rows = read(path, columns)
    if suffix != ".parquet":  # in which integers stay integers
        rows = [(int(user), *rest) for user, *rest in rows]
    assert rows == [
        (12, "w", 1, 3.25, "c"),
        (-7, 'x "y",\n', 1, -1.5, "Ä"),
        (-7, "z", 2, 0.125, None),
    ]
    if suffix == ".jsonl":  # a line for him who gets nothing too
        lines = path.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["user_id"] for line in lines] == named.users.ids.tolist()


def test_a_ranking_is_a_line(recommender):
    ranking = [ScoredItem("item-03", 1.23456789)]
    [entry] = ranking_entries(recommender, "text", ["naïve\nwords"], [ranking])
    line = json_line(entry)
    assert line.count("\n") == line.endswith("\n") == 1 and "naïve" in line
    assert json.loads(line) == {
        "text": "naïve\nwords",
        "items": [{"item_id": "item-03", "score": 1.234568}],
    }


def test_items_have_titles_where_the_data_has_them(recommender):
    titles = np.array([f"Titel {n} – Ä" for n in range(50)], object)
    titles[7] = None
    titled = dataclasses.replace(recommender, titles=titles).with_items({"new": ["pool"]})
    ranking = [ScoredItem(name, 1.0) for name in ("item-03", "item-07", "new")]
    [entry] = ranking_entries(titled, "user_id", [None], [ranking])
    items = entry["items"]
    assert [item["title"] for item in items] == ["Titel 3 – Ä", None, None]
    [ranking] = titled.recommend([titled.users.ids[0]], k=3)
    [entry] = ranking_entries(titled, "user_id", [None], [ranking])
    for item in entry["items"]:
        assert item["title"] == titles[titled.items.rows([item["item_id"]])[0]]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_ids_of_a_file(tmp_path, mark):
    path = tmp_path / "ids.txt"
    path.write_bytes(mark + "anna\r\n\n bert, the 2nd\nçelik\n".encode())
    assert read_ids(path) == ["anna", " bert, the 2nd", "çelik"]


def test_a_file_that_is_not_utf_8(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_bytes("çelik\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"ids\.txt: not readable .* one id a line is expected"):
        read_ids(path)
