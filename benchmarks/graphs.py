"""Graphs to time on: files of the LightGCN benchmarks (Gowalla and its like), or generated ones."""

import gzip
from pathlib import Path

import numpy as np

from symcere_jax.errors import DataError


def read_interactions(path: Path) -> np.ndarray:
    """Reads one split.

    Args:
        path: a text file, or a gzipped one if its name ends in ".gz". A line is the number of
            a user, then those of the user's items, separated by blanks.

    Returns:
        int32 `[n, 2]`, pairs (user, item), in the order of the file.

    Raises:
        DataError: the file is missing or empty, or a line holds something other than numbers.
    """
    users, items = [], []
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            for number, line in enumerate(file, start=1):
                try:
                    user, *bought = map(int, line.split())
                except ValueError:
                    raise DataError(
                        f"{path}, line {number}: {line.strip()[:40]!r} is not a user and items, "
                        "as numbers separated by blanks"
                    ) from None
                users.append(np.full(len(bought), user, np.int32))
                items.append(np.array(bought, np.int32))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable ({error}); see --help for the files") from None
    if not users:
        raise DataError(f"{path} is empty")
    return np.stack([np.concatenate(users), np.concatenate(items)], axis=1)


def power_law_interactions(n: int, seed: int = 0) -> np.ndarray:
    """About `n` distinct pairs, int32 `[.., 2]`; popularity of users and items falls as a power."""
    rng = np.random.default_rng(seed)
    n_users, n_items = max(n // 25, 2), max(n // 20, 2)
    users = (n_users * rng.random(n) ** 1.5).astype(np.int64)
    items = (n_items * rng.random(n) ** 2.5).astype(np.int64)
    pairs = np.unique(users * n_items + items)
    return np.stack(np.divmod(pairs, n_items), axis=1).astype(np.int32)
