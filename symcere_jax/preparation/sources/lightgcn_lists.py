"""The interaction lists of the LightGCN benchmarks (such as Gowalla): no ratings, no text.

A folder with `train.txt` and `test.txt`, plain or gzipped. Each line holds a user, then the user's
items, all whole numbers, separated by spaces; blank lines are skipped. The test split is kept as it
is; validation interactions are drawn from the training lists.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.raw_files import open_raw
from symcere_jax.preparation.read.rows import RawRows, ReadingLog, RowError, raw_rows, shorten
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources.source import Source
from symcere_jax.preparation.split.policies import VALID, split_by_ratio

_LINES_PER_BLOCK = 10_000


def _read(settings: PrepareSettings, log: ReadingLog) -> RawRows:
    """Reads both files; `valid_share` of each user's training items become validation."""
    rng = np.random.default_rng(settings.seed)
    for split in ("train", "test"):
        path = _find(settings.path, split)
        log.files[path] = None
        lists = _lists(path, log)
        while block := list(islice(lists, _LINES_PER_BLOCK)):
            users, items, lines = np.concatenate(block, axis=1)
            splits = np.full(len(users), split, object)
            if split == "train" and len(users):
                splits[_drawn_for_validation(users, settings.valid_share, rng)] = "valid"
            split_names = pa.array(splits, pa.string())
            columns = {"user_id": users, "item_id": items, "split": split_names}
            yield raw_rows(columns, lines, f"{path}, line")


def _find(folder: Path, split: str) -> Path:
    for name in (f"{split}.txt", f"{split}.txt.gz"):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder} must be a folder with {split}.txt or {split}.txt.gz; it has neither")


def _lists(path: Path, log: ReadingLog) -> Iterator[np.ndarray]:
    """User, item and line of each interaction of a line, int64 `[3, n]`."""
    with open_raw(path) as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                user, *items = map(int, line.split())
            except ValueError:
                message = (
                    f"{path}, line {number}: {shorten(line.decode(errors='replace').strip())} is "
                    "not a user and items, as whole numbers separated by blanks"
                )
                log.add(RowError(message, "line is not whole numbers"))
                continue
            row = np.empty((3, len(items)), np.int64)
            row[0], row[1], row[2] = user, items, number
            yield row


def _drawn_for_validation(users: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which interactions to validate on, bool `[n]`; a user keeps at least one to train on."""
    order = np.argsort(users, kind="stable")
    _, compact = np.unique(users[order], return_inverse=True)
    seed = int(rng.integers(2**32))
    split = split_by_ratio(compact, None, valid_share=share, test_share=0.0, seed=seed)
    drawn = np.zeros(len(users), bool)
    drawn[order] = split == VALID
    return drawn


SOURCE = Source(
    "lightgcn",
    _read,
    obtain="Gowalla, Yelp2018 and Amazon-Book are at https://github.com/gusye1234/LightGCN-PyTorch",
    options=lambda settings: {"valid_share": settings.valid_share, "seed": settings.seed},
)
