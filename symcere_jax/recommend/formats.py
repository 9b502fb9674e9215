"""Recommendations in files and on the terminal: JSON lines, CSV and Parquet."""

import csv
import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symcere_jax.recommend.explanation import ScoredItem
from symcere_jax.recommend.recommender import Recommender

FORMATS = (".jsonl", ".csv", ".parquet")
SCHEMA = pa.schema(
    {"user_id": pa.string(), "rank": pa.int32(), "item_id": pa.string(), "score": pa.float32()}
)

_PRINTED_USERS = 1 << 12


@dataclasses.dataclass(frozen=True)
class RankingBlock:
    """Recommendations to some users.

    Attributes:
        users: `[n]` external ids.
        items: `[m]` external ids, user by user, the best first.
        scores: float32 `[m]`.
        lengths: int `[n]`, items of each user.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray
    lengths: np.ndarray


def print_recommendations(
    recommender: Recommender,
    rows: np.ndarray,
    file: IO[str],
    *,
    k: int = 10,
    exclude_seen: bool = True,
    allowed: np.ndarray | None = None,
) -> None:
    """Writes the k best items of users as JSON lines to an open file, some users at a time.

    Args:
        recommender: the model.
        rows: int `[n]` user rows.
        file: such as the terminal.
        k: items for each user.
        exclude_seen: leave out what a user interacted with.
        allowed: int `[m]` item rows to choose from; None: all.
    """
    for start in range(0, len(rows), _PRINTED_USERS):
        part = rows[start : start + _PRINTED_USERS]
        found = recommender.recommend_rows(part, k, exclude_seen=exclude_seen, allowed=allowed)
        users = recommender.users.ids[part]
        for user, ranking in zip(users, recommender.name_rankings(*found), strict=True):
            file.write(ranking_line(recommender, "user_id", user, ranking) + "\n")


def write_lines(block: RankingBlock, file: IO[str]) -> None:
    """Writes JSON lines, one a user."""
    for user, items, scores in _by_user(block):
        file.write(_line("user_id", user, item_entries(zip(items, scores, strict=True))) + "\n")


def ranking_line(
    recommender: Recommender, key: str, value: str | None, ranking: Sequence[ScoredItem]
) -> str:
    """A ranking as a line of JSON, with the titles that are known.

    Args:
        recommender: that it is of.
        key: what is recommended to, such as "user_id".
        value: its id, or the words that were searched.
        ranking: the best first.
    """
    return _line(key, value, titled_entries(recommender, ranking))


def titled_entries(recommender: Recommender, ranking: Sequence[ScoredItem]) -> list[dict[str, Any]]:
    """`item_entries` with a `title` each, null where it is unknown, if the data has titles at all.

    Args:
        recommender: that the ranking is of.
        ranking: the best first.
    """
    entries = item_entries(ranking)
    if recommender.titles is not None:
        titles = recommender.item_titles(item.item_id for item in ranking)
        for entry, title in zip(entries, titles, strict=True):
            entry["title"] = title
    return entries


def item_entries(ranking: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    """The items of a ranking as JSON has them: `item_id` and `score`.

    Args:
        ranking: (item_id, score), the best first.
    """
    return [{"item_id": item, "score": round(float(score), 6)} for item, score in ranking]


def _line(key: str, value: str | None, entries: list[dict[str, Any]]) -> str:
    return json.dumps({key: value, "items": entries}, ensure_ascii=False)


def name_block(
    recommender: Recommender, rows: np.ndarray, items: np.ndarray, scores: np.ndarray
) -> RankingBlock:
    """Names users and items of what `Recommender.recommend_rows` found.

    Args:
        recommender: the model.
        rows: int `[n]` user rows.
        items: int32 `[n, k]` item rows, −1 for an empty rank.
        scores: float32 `[n, k]`.
    """
    filled = items >= 0
    return RankingBlock(
        users=recommender.users.ids[rows],
        items=recommender.items.ids[items[filled]],
        scores=scores[filled],
        lengths=filled.sum(axis=1),
    )


def write_block(path: Path, suffix: str, block: RankingBlock) -> None:
    """Writes a part of a file; that of a CSV file has no header.

    Args:
        path: to write.
        suffix: one of `FORMATS`.
        block: what to write.
    """
    if suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as file:
            write_lines(block, file)
        return
    ends = np.cumsum(block.lengths)
    ranks = np.arange(len(block.items)) - np.repeat(ends - block.lengths, block.lengths) + 1
    users = np.repeat(block.users, block.lengths)
    if suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            scores = (f"{score:.6g}" for score in block.scores)
            writer.writerows(zip(users, ranks, block.items, scores, strict=True))
        return
    columns = [users, ranks.astype(np.int32), block.items, block.scores]
    pq.write_table(pa.table(columns, schema=SCHEMA), path, compression="zstd")


def _by_user(block: RankingBlock) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    ends = np.cumsum(block.lengths)
    for user, start, end in zip(block.users, ends - block.lengths, ends, strict=True):
        yield user, block.items[start:end], block.scores[start:end]
