"""Graphs to time on: files of the LightGCN benchmarks (Gowalla and its like), or generated ones."""

import gzip
from pathlib import Path

import numpy as np

from symcere_jax.errors import DataError

DATA_HELP = "folder with train.txt.gz of the LightGCN benchmarks; default: a generated graph"


def load_interactions(folder: str | None, n_generated: int) -> np.ndarray:
    """Interactions of `train.txt.gz`, or about as many generated ones; int32 `[n, 2]`.

    Raises:
        DataError: the file is missing, or malformed.
    """
    if folder is None:
        return power_law_interactions(n_generated)
    path = Path(folder) / "train.txt.gz"
    try:
        with gzip.open(path, "rt") as file:  # a line is a user, then the user's items
            lists = [np.array(line.split(), np.int32) for line in file]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error})") from None
    users = np.repeat([numbers[0] for numbers in lists], [len(numbers) - 1 for numbers in lists])
    return np.stack([users, np.concatenate([numbers[1:] for numbers in lists])], axis=1)


def power_law_interactions(n: int, seed: int = 0) -> np.ndarray:
    """About `n` distinct pairs, int32 `[.., 2]`; popularity of users and items falls as a power."""
    rng = np.random.default_rng(seed)
    n_users, n_items = max(n // 25, 2), max(n // 20, 2)
    users = (n_users * rng.random(n) ** 1.5).astype(np.int64)
    items = (n_items * rng.random(n) ** 2.5).astype(np.int64)
    pairs = np.unique(users * n_items + items)
    return np.stack(np.divmod(pairs, n_items), axis=1).astype(np.int32)
