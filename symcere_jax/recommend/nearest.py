"""Approximate nearest neighbours: recommendations from a catalogue too large to score whole.

The best items are those of the largest inner product `users_u · items_i + bias_i`. A graph of near
items (HNSW) answers that without looking at most of them, but only by distance: linked by inner
product, popular items alone are found, and on the benchmark's items recall stayed at 0.5 whatever
was spent. So the rows that are indexed are given one length (Bachrach et al., 2014):

    item [items_i, bias_i / s, sqrt(M² − |items_i|² − bias_i² / s²)],   query [users_u, s, 0],

with s the mean norm of users; the nearest by L2 distance then are those of the largest score. Exact
search is the default of `Recommender`: up to some hundred thousand items it is fast enough, and
never wrong. docs/serving.md has a table of recall against latency.

Needs the extra `ann`. USearch was chosen among it, hnswlib and Faiss by `benchmarks/retrieval.py`.
Source: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs", 2016.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.files import replacing, write_json
from symcere_jax.models import Embeddings


class ItemIndex:
    """An index of the items of a model.

    Args:
        index: of USearch, over the rows of `indexed_items`.
        scale: s, see above.
        length: M, see above.
    """

    def __init__(self, index: Any, scale: float, length: float) -> None:
        self._index, self._scale, self._length = index, scale, length

    def __len__(self) -> int:
        return len(self._index)

    @classmethod
    def build(
        cls, embeddings: Embeddings, *, connectivity: int = 16, search_width: int = 128
    ) -> "ItemIndex":
        """Indexes all items.

        Args:
            embeddings: of the model.
            connectivity: neighbours that each item is linked with; more: better recall, slower.
            search_width: items that a query looks at, at least; likewise.

        Raises:
            ConfigError: the extra is not installed.
        """
        embeddings = embeddings.joined()
        norms = np.linalg.norm(np.asarray(embeddings.users), axis=1)
        scale = float(norms.mean()) or 1.0
        items, bias = np.asarray(embeddings.items), np.asarray(embeddings.item_bias)
        rows, length = indexed_items(items, bias, scale)
        index = _usearch().Index(
            ndim=rows.shape[1],
            metric="l2sq",
            dtype="f32",
            connectivity=connectivity,
            expansion_add=max(128, search_width),
            expansion_search=search_width,
        )
        index.add(np.arange(len(rows), dtype=np.uint64), rows)
        return cls(index, scale, length)

    def search(
        self, users: np.ndarray, k: int, *, with_bias: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The items of about the best scores.

        Args:
            users: float32 `[n, columns]`, rows of `Embeddings.joined().users`, or other queries.
            k: items for each.
            with_bias: add the items' bias to the inner products.

        Returns:
            int64 `[n, k]` item rows, best first, −1 where fewer are left, and float32 `[n, k]`
            scores.
        """
        scale = self._scale if with_bias else 0.0
        queries = queries_of(np.asarray(users, np.float32), scale)
        n_found = min(k, len(self))
        items = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        if len(queries) and n_found:
            found = self._index.search(queries, n_found)
            keys = np.atleast_2d(found.keys).astype(np.int64)
            filled = np.arange(keys.shape[1]) < np.reshape(
                getattr(found, "counts", n_found), (-1, 1)
            )
            # |q − x|² = |q|² + M² − 2 q·x
            squares = (queries.astype(float) ** 2).sum(axis=1, keepdims=True) + self._length**2
            inner = (squares - np.atleast_2d(found.distances)) / 2
            items[:, : keys.shape[1]] = np.where(filled, keys, -1)
            scores[:, : keys.shape[1]] = np.where(filled, inner, -np.inf)
        return items, scores

    def save(self, path: Path) -> None:
        """Writes the index to a file, and what queries need beside it, to `<path>.json`."""
        settings = {"scale": self._scale, "length": self._length}
        settings["search_width"] = self._index.expansion_search
        with replacing(path) as aside:
            self._index.save(str(aside))
            write_json(path.with_name(f"{path.name}.json"), settings)

    @classmethod
    def load(cls, path: Path) -> "ItemIndex":
        """Reads what `save` wrote.

        Raises:
            ConfigError: the extra is not installed.
            DataError: the files are missing, or no index.
        """
        usearch = _usearch()
        try:
            settings = json.loads(path.with_name(f"{path.name}.json").read_text())
            index = usearch.Index.restore(str(path))
            if index is None:
                raise ValueError("not an index")
            index.expansion_search = int(settings["search_width"])
            return cls(index, float(settings["scale"]), float(settings["length"]))
        except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not readable ({error}); build the index again") from None


def indexed_items(items: np.ndarray, bias: np.ndarray, scale: float) -> tuple[np.ndarray, float]:
    """Rows of one length whose distance to `queries_of` users falls as the score grows.

    Args:
        items: float `[n_items, dim]`.
        bias: float `[n_items]`.
        scale: s, see above.

    Returns:
        float32 `[n_items, dim + 2]` and their length.
    """
    rows = np.concatenate([items, bias[:, None] / scale], axis=1, dtype=np.float64)
    squares = (rows**2).sum(axis=1)
    largest = squares.max(initial=0.0)
    rest = np.sqrt(largest - squares)[:, None]
    rows = np.concatenate([rows, rest], axis=1)
    return np.ascontiguousarray(rows, np.float32), float(np.sqrt(largest))


def queries_of(users: np.ndarray, scale: float) -> np.ndarray:
    """Queries `[users_u, s, 0]` against `indexed_items`, float32 `[n, dim + 2]`."""
    last = np.broadcast_to(np.array([scale, 0], np.float32), (len(users), 2))
    return np.ascontiguousarray(np.concatenate([users, last], axis=1), np.float32)


def _usearch() -> Any:
    try:
        from usearch import index
    except ImportError:
        raise ConfigError(
            "approximate search needs USearch: pip install 'symcere-jax[ann]'; exact search, "
            "the default, needs nothing more"
        ) from None
    return index
