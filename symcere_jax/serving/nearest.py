"""Approximate nearest neighbours: recommendations from a catalogue too large to score whole.

Scores are inner products, `users_u · items_i + bias_i = [users_u, 1] · [items_i, bias_i]`, which a
graph of near items (HNSW) answers without looking at most of them. Exact search is the
default of `Recommender`: up to some hundred thousand items it is fast enough, and never wrong.
docs/serving.md has a table of recall against latency.

Needs the extra `ann`. USearch was chosen among it, hnswlib and Faiss by `benchmarks/retrieval.py`.
Source: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs", 2016.
"""

from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.models import Embeddings


class ItemIndex:
    """An index of the items of a model.

    Args:
        index: of USearch, over the rows of `augmented_items`.
    """

    def __init__(self, index: Any) -> None:
        self._index = index

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
        rows = augmented_items(embeddings)
        index = _usearch().Index(
            ndim=rows.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=connectivity,
            expansion_add=max(128, search_width),
            expansion_search=search_width,
        )
        index.add(np.arange(len(rows), dtype=np.uint64), rows)
        return cls(index)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The items of about the best scores.

        Args:
            queries: float32 `[n, dim]`, rows of `Embeddings.users`.
            k: items for each.

        Returns:
            int64 `[n, k]` item rows, best first, −1 where fewer are left, and float32 `[n, k]`
            scores.
        """
        queries = np.asarray(queries, np.float32)
        queries = np.concatenate([queries, np.ones((len(queries), 1), np.float32)], axis=1)
        n_found = min(k, len(self))
        items = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        if len(queries) and n_found:
            found = self._index.search(queries, n_found)
            keys = np.atleast_2d(found.keys).astype(np.int64)
            items[:, : keys.shape[1]] = keys
            # What the index calls a distance is 1 − score.
            scores[:, : keys.shape[1]] = 1 - np.atleast_2d(found.distances)
        return items, scores

    def save(self, path: Path) -> None:
        """Writes the index to a file, under a temporary name first."""
        temporary = path.with_name(f"{path.name}.tmp")
        self._index.save(str(temporary))
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> "ItemIndex":
        """Reads what `save` wrote.

        Raises:
            ConfigError: the extra is not installed.
            DataError: the file is missing, or no index.
        """
        try:
            index = _usearch().Index.restore(str(path))
        except (RuntimeError, ValueError, OSError) as error:
            index, reason = None, str(error)
        else:
            reason = "not an index"
        if index is None:
            raise DataError(f"{path}: not readable ({reason}); build the index again")
        return cls(index)


def augmented_items(embeddings: Embeddings) -> np.ndarray:
    """Rows `[items_i, item_bias_i]`, float32 `[n_items, dim + 1]`."""
    bias = np.asarray(embeddings.item_bias)[:, None]
    return np.concatenate([np.asarray(embeddings.items), bias], axis=1).astype(np.float32)


def _usearch() -> Any:
    try:
        from usearch import index
    except ImportError:
        raise ConfigError(
            "approximate search needs USearch: pip install 'symcere-jax[ann]'; exact search, "
            "the default, needs nothing more"
        ) from None
    return index
