"""An index of the items (HNSW), for catalogs that are too large to score whole.

The best items are those with the largest inner product `users_u · items_i + bias_i`. A graph of
neighboring items finds them without looking at most items, but only by distance: linked by inner
product, it finds only popular items, and recall stayed at 0.5 on the benchmark's items at any cost.
So all indexed rows get one length (Bachrach et al., 2014):

    item [items_i, bias_i / s, sqrt(M² − |items_i|² − bias_i² / s²)],   query [users_u, s, 0],

with s the mean norm of users and M the largest norm of [items_i, bias_i / s]: the nearest by L2
distance are then those with the largest scores. docs/serving.md has a table of recall and latency.

Needs the extra `ann`.
Source: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs", 2016.
"""

import numpy as np

from symcere_jax.errors import ConfigError
from symcere_jax.models import Embeddings
from symcere_jax.optional import require

EXACT, HNSW = INDEXES = ("exact", "hnsw")
CONNECTIVITY = 16  # neighbors that each item is linked with
SEARCH_WIDTH = 128  # items that a query looks at, at least


class ItemIndex:
    """All items of a model, indexed by HNSW; `len(index)` is their number.

    Raises:
        ConfigError: the extra `ann` is not installed.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        embeddings = embeddings.joined()
        norms = np.linalg.norm(np.asarray(embeddings.users, np.float32), axis=1)
        self._scale = float(norms.mean()) or 1.0
        items, bias = np.asarray(embeddings.items), np.asarray(embeddings.item_bias)
        rows = item_vectors(items, bias, self._scale)
        self._index = require("usearch.index", extra="ann").Index(
            ndim=rows.shape[1],
            metric="l2sq",
            dtype="f32",
            connectivity=CONNECTIVITY,
            expansion_add=SEARCH_WIDTH,
            expansion_search=SEARCH_WIDTH,
        )
        # One thread: if several add items at once, USearch 2 links some of them to no other item,
        # and then no search finds them (unum-cloud/USearch#735).
        self._index.add(np.arange(len(rows), dtype=np.uint64), rows, threads=1)

    def __len__(self) -> int:
        return len(self._index)

    def search(self, users: np.ndarray, k: int, *, with_bias: bool = True) -> np.ndarray:
        """Almost all of the k items of the largest scores, or without bias, inner products.

        Queries are float32 `[n, columns]`, such as rows of `Embeddings.joined().users`.

        Returns:
            int64 `[n, k]` item rows, best first, −1 where fewer are left.
        """
        queries = query_vectors(users, self._scale if with_bias else 0.0)
        items = np.full((len(queries), k), -1, np.int64)
        n_found = min(k, len(self))
        if len(queries) and n_found:
            matches = self._index.search(queries, n_found)
            keys = np.atleast_2d(matches.keys).astype(np.int64)
            counts = np.reshape(getattr(matches, "counts", n_found), (-1, 1))
            items[:, : keys.shape[1]] = np.where(np.arange(keys.shape[1]) < counts, keys, -1)
        return items


def build_index(embeddings: Embeddings, kind: str) -> ItemIndex | None:
    """The index of a kind; None for exact search.

    Raises:
        ConfigError: the kind is not one of `INDEXES`, or the extra `ann` is not installed.
    """
    if kind not in INDEXES:
        raise ConfigError(f"the index is {kind!r}, must be one of {', '.join(INDEXES)}")
    return ItemIndex(embeddings) if kind == HNSW else None


def item_vectors(items: np.ndarray, bias: np.ndarray, scale: float) -> np.ndarray:
    """Vectors of one length, float32 `[n_items, dim + 2]`, near `query_vectors` of large scores."""
    rows = np.concatenate([items, bias[:, None] / scale], axis=1, dtype=np.float64)
    squares = (rows**2).sum(axis=1)
    rest = np.sqrt(squares.max(initial=0.0) - squares)
    return np.ascontiguousarray(np.column_stack([rows, rest]), np.float32)


def query_vectors(users: np.ndarray, scale: float) -> np.ndarray:
    """Queries `[users_u, s, 0]` against `item_vectors`, float32 `[n, dim + 2]`."""
    last = np.broadcast_to(np.array([scale, 0], np.float32), (len(users), 2))
    return np.ascontiguousarray(np.concatenate([users, last], axis=1), np.float32)
