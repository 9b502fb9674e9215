"""Files of ids and items to read, and of rankings to write, as JSON lines, CSV and Parquet."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.errors import DataError
from symcere_jax.recommend.explanation import ScoredItem
from symcere_jax.recommend.recommender import Recommender
from symcere_jax.recommend.retrieval import TopItems

FORMATS = (".jsonl", ".csv", ".parquet")


def item_entries(recommender: Recommender, ranking: Sequence[ScoredItem]) -> list[dict[str, Any]]:
    """The items of a ranking as JSON: `item_id`, `score`, and `title` if the data has titles."""
    entries: list[dict[str, Any]] = [
        {"item_id": item_id, "score": round(score, 6)} for item_id, score in ranking
    ]
    if recommender.titles is not None:
        rows = recommender.items.rows(item_id for item_id, _ in ranking)
        for entry, title in zip(entries, recommender.titles[rows], strict=True):
            entry["title"] = title
    return entries


def ranking_entries(
    recommender: Recommender,
    key: str,
    values: Iterable[str | None],
    rankings: Iterable[Sequence[ScoredItem]],
) -> Iterator[dict[str, Any]]:
    """Rankings as JSON: `{key: value, "items": …}`, such as `{"user_id": "anna", "items": …}`."""
    for value, ranking in zip(values, rankings, strict=True):
        yield {key: value, "items": item_entries(recommender, ranking)}


def read_ids(path: Path) -> list[str]:
    """The ids of a file, one a line; empty lines and a byte order mark are skipped.

    Raises:
        DataError: the file is missing, or not UTF-8.
    """
    return [line.removesuffix("\r") for _, line in _lines(path, "one id a line")]


def read_items(path: Path) -> dict[str, list[str]]:
    """Texts by the id of the item, of a file of JSON lines `{"item_id": …, "texts": […]}`.

    Raises:
        DataError: the file is missing, or a line is something else.
    """
    items: dict[str, list[str]] = {}
    for number, line in _lines(path, "one item per line"):
        try:
            content = json.loads(line)
            item_id, texts = content["item_id"], content["texts"]
            is_fit = isinstance(texts, list) and all(isinstance(x, str) for x in [item_id, *texts])
        except (ValueError, LookupError, TypeError, RecursionError):
            is_fit = False
        if not is_fit or item_id in items:
            raise DataError(
                f'{path}, line {number}: must be {{"item_id": "…", "texts": ["…"]}}, an item once'
            )
        items[item_id] = texts
    return items


def _lines(path: Path, expected: str) -> list[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error}); {expected} is expected") from None
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def json_line(content: dict[str, Any]) -> str:
    """A line of JSON, with its line end."""
    return json.dumps(content, ensure_ascii=False) + "\n"


def ranking_table(
    recommender: Recommender, key: str, ids: pa.Array | None, top: TopItems
) -> pa.Table:
    """Rankings as a table of what was asked, item_id, rank (from 1), score, and title if known.

    The first column has the name `key` and the n `ids`; without ids there is none.
    """
    places, ranks = np.nonzero(top.items >= 0)
    items = top.items[places, ranks]
    columns = {} if ids is None else {key: ids.take(places)}
    columns |= {
        "item_id": recommender.items.arrow(items),
        "rank": pa.array(ranks + 1, pa.int32()),
        "score": pa.array(top.scores[places, ranks], pa.float32()),
    }
    if recommender.titles is not None:
        columns["title"] = pa.array(recommender.titles[items], pa.string())
    return pa.table(columns)


def write_part(
    path: Path,
    suffix: str,
    recommender: Recommender,
    rows: np.ndarray,
    top: TopItems,
    *,
    header: bool = True,
) -> None:
    """Writes the rankings of users, int `[n]` rows, in the format that a suffix names."""
    if suffix == ".jsonl":
        rankings = recommender.name_items(top)
        users = recommender.users.ids[rows]
        with path.open("w", encoding="utf-8") as file:
            file.writelines(
                map(json_line, ranking_entries(recommender, "user_id", users, rankings))
            )
        return
    table = ranking_table(recommender, "user_id", recommender.users.arrow(rows), top)
    if suffix == ".parquet":
        pq.write_table(table, path, compression="zstd")
        return
    columns = {name: table[name].to_pylist() for name in table.column_names}
    columns["score"] = [f"{score:.6g}" for score in columns["score"]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
