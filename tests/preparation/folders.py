"""What tests of prepared folders share."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from symcere_jax.data import ReviewDataset
from symcere_jax.preparation.check import CHECKS, problems_of
from symcere_jax.preparation.check.splits import check_text_leaks


def row_of(user: str, item: str, text: str = "", time: int | None = 1, **fields: Any) -> dict:
    """A raw row."""
    row = {"user_id": user, "item_id": item, "rating": 4, "timestamp": time, "text": text}
    return row | fields


def write_json(path: Path, rows: Iterable[dict]) -> Path:
    """Writes rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def problems(dataset: ReviewDataset | Path, *, encode: bool = False) -> list[str]:
    """What all checks find; that of text features on request."""
    if isinstance(dataset, Path):
        dataset = ReviewDataset.load(dataset)
    checks = [*CHECKS.values(), *([check_text_leaks] if encode else [])]
    return [problem for check in checks for problem in problems_of(dataset, check)]


def by_ids(dataset: ReviewDataset) -> dict[tuple[str, str], dict]:
    """The reviews by user and item."""
    users, items = dataset.user_ids(), dataset.item_ids()
    rows = dataset.reviews().to_pylist()
    return {(users[row["user"]], items[row["item"]]): row for row in rows}
