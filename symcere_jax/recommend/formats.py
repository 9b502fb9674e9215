"""Rankings as JSON lines, CSV and Parquet."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.recommend.explanation import ScoredItem
from symcere_jax.recommend.recommender import Recommender
from symcere_jax.recommend.retrieval import TopItems

FORMATS = (".jsonl", ".csv", ".parquet")
SCHEMA = pa.schema(
    {"user_id": pa.string(), "rank": pa.int32(), "item_id": pa.string(), "score": pa.float32()}
)


def item_entries(recommender: Recommender, ranking: Sequence[ScoredItem]) -> list[dict[str, Any]]:
    """The items of a ranking as JSON: `item_id`, `score`, and `title` if the data has titles.

    Args:
        recommender: that made the ranking.
        ranking: the best first.
    """
    entries: list[dict[str, Any]] = [
        {"item_id": item_id, "score": round(score, 6)} for item_id, score in ranking
    ]
    if recommender.titles is not None:
        rows = recommender.items.rows(item_id for item_id, _ in ranking)
        for entry, title in zip(entries, recommender.titles[rows], strict=True):
            entry["title"] = title
    return entries


def ranking_line(
    recommender: Recommender, key: str, value: str | None, ranking: Sequence[ScoredItem]
) -> str:
    """A ranking as a line of JSON.

    Args:
        recommender: that made the ranking.
        key: what the ranking is for, such as "user_id".
        value: its id, or the words that were searched.
        ranking: the best first.
    """
    content = {key: value, "items": item_entries(recommender, ranking)}
    return json.dumps(content, ensure_ascii=False)


def user_lines(recommender: Recommender, rows: np.ndarray, top: TopItems) -> Iterator[str]:
    """The rankings of users as lines of JSON.

    Args:
        recommender: that made the rankings.
        rows: int `[n]` user rows.
        top: the best items of each.
    """
    rankings = recommender.name_items(top)
    for user, ranking in zip(recommender.users.ids[rows], rankings, strict=True):
        yield ranking_line(recommender, "user_id", user, ranking)


def write_part(
    path: Path, suffix: str, recommender: Recommender, rows: np.ndarray, top: TopItems
) -> None:
    """Writes the rankings of users to a part of a file; that of a CSV file has no header.

    Args:
        path: to write.
        suffix: one of `FORMATS`.
        recommender: that made the rankings.
        rows: int `[n]` user rows.
        top: the best items of each.
    """
    if suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in user_lines(recommender, rows, top))
        return
    places, ranks = np.nonzero(top.items >= 0)
    users = recommender.users.ids[rows[places]]
    items = recommender.items.ids[top.items[places, ranks]]
    ranks, scores = (ranks + 1).astype(np.int32), top.scores[places, ranks]
    if suffix == ".parquet":
        table = pa.table([users, ranks, items, scores], schema=SCHEMA)
        pq.write_table(table, path, compression="zstd")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        written = (f"{score:.6g}" for score in scores)
        csv.writer(file).writerows(zip(users, ranks, items, written, strict=True))
