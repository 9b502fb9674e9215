"""The best items for users and for queries: of all items, or of those that an index finds.

Exact search scores every item, by the code that evaluation ranks with. With an index
(`serving.nearest`), the items that it finds are scored exactly and ranked; what it misses is
missing. Where only some items may be chosen, search is exact: an index knows of no such choice.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import CountCallback
from symcere_jax.data import Interactions
from symcere_jax.errors import ConfigError
from symcere_jax.evaluation.ranking import ScoreBlock, largest_block, top_k
from symcere_jax.models import Embeddings
from symcere_jax.recommend.nearest import ItemIndex

EXACT, HNSW = INDEXES = ("exact", "hnsw")
INDEX_HELP = (
    "how the best items are found: all are scored, or those that an approximate index finds, which "
    "is built at the start (pip install 'symcere-jax[ann]'); for very large catalogues"
)
BLOCK_SIZES = (1, 8, 64, 256)

_BLOCK_QUERIES = 64  # candidates of so many are scored at once
_UNIT_LENGTH = 1e-3  # norms that differ by no more are one


@dataclasses.dataclass(frozen=True)
class Retrieval:
    """The items of a model, and how the best of them are found.

    Attributes:
        embeddings: of the model.
        index: of its items; None: search is exact.
    """

    embeddings: Embeddings
    index: ItemIndex | None = None

    def recommend(
        self,
        users: jax.Array,
        rows: np.ndarray,
        seen: Interactions,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        progress: CountCallback | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k items of the best scores.

        Args:
            users: float32 `[n_users, columns]`, users as in `scored`.
            rows: int `[n]`, rows of `users`.
            seen: items that are left out, by row of `users`.
            k: number of ranks.
            allowed: int `[m]` item rows to choose from; None: all.
            progress: called with the number of users done and of all users.

        Returns:
            int32 `[n, min(k, n_items)]` item rows, −1 for an empty rank, and float32 scores of that
            shape, −∞ for an empty rank.
        """
        if self.index is not None and allowed is None:
            return self._approximate(users, rows, seen, k, True, progress)
        items = self.scored.items
        params = (users, items, self.scored.item_bias + self._penalty(allowed))
        return self._exact(_score_queries, params, rows, seen, k, progress)

    def nearest(
        self,
        queries: np.ndarray | jax.Array,
        seen: Interactions,
        k: int,
        *,
        allowed: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k items of the largest cosine with queries.

        Args:
            queries: float32 `[n, dim]` of unit length.
            seen: items that are left out, by query.
            k: number of ranks.
            allowed: int `[m]` item rows to choose from; None: all.

        Returns:
            As `recommend`.
        """
        rows = np.arange(len(queries))
        if self.index is not None and allowed is None and self._has_unit_items:
            more = self.scored.items.shape[1] - queries.shape[1]
            queries = np.pad(np.asarray(queries), ((0, 0), (0, more)))
            return self._approximate(queries, rows, seen, k, False)
        params = (jnp.asarray(queries), self.directions, self._penalty(allowed))
        return self._exact(_score_queries, params, rows, seen, k)

    @functools.cached_property
    def scored(self) -> Embeddings:
        """The embeddings with all their columns in one, as the index has them."""
        return self.embeddings.joined()

    @functools.cached_property
    def directions(self) -> jax.Array:
        """Embeddings of items, divided by their norms, float32 `[n_items, dim]`."""
        return jnp.asarray(unit_rows(np.asarray(self.embeddings.items)))

    @functools.cached_property
    def _has_unit_items(self) -> bool:
        """Whether cosines are inner products, which the index finds, up to a factor of each query.

        An item without features has length 0, and is not found.
        """
        norms = np.linalg.norm(np.asarray(self.embeddings.items), axis=1)
        return bool((np.abs(norms[norms > 0] - 1) < _UNIT_LENGTH).all())

    def _penalty(self, allowed: np.ndarray | None) -> jax.Array:
        """0 for the items to choose from, −∞ for the others, float32 `[n_items]`."""
        n_items = len(self.embeddings.items)
        penalty = np.full(n_items, 0 if allowed is None else -np.inf, np.float32)
        if allowed is not None:
            penalty[allowed] = 0
        return jnp.asarray(penalty)

    def _exact(
        self,
        score: ScoreBlock,
        params: Any,
        rows: np.ndarray,
        seen: Interactions,
        k: int,
        progress: CountCallback | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """`ranking.top_k` in sizes that repeat, so that few requests need a compilation."""
        _check(k)
        n_items = len(self.embeddings.items)
        n_ranks = min(max(16, _next_power_of_two(k)), n_items)
        block = min(largest_block(n_items), block_size(len(rows)))
        items, scores = top_k(
            score, params, rows, seen, n_items, n_ranks, block_users=block, progress=progress
        )
        return items[:, :k], scores[:, :k]

    def _approximate(
        self,
        queries: np.ndarray | jax.Array,
        rows: np.ndarray,
        seen: Interactions,
        k: int,
        with_bias: bool,
        progress: CountCallback | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores what the index finds: as many more than k as a query has seen."""
        _check(k)
        assert self.index is not None
        k = min(k, len(self.index))
        wanted, rows = np.asarray(queries)[rows], np.asarray(rows)
        targets = np.asarray(self.scored.items)
        bias = np.asarray(self.scored.item_bias) * np.float32(with_bias)
        items = np.full((len(rows), k), -1, np.int32)
        scores = np.full((len(rows), k), -np.inf, np.float32)
        for start in range(0, len(rows), _BLOCK_QUERIES):
            block = slice(start, start + _BLOCK_QUERIES)
            of_query, seen_items = seen.flat(rows[block])
            n_seen = int(np.bincount(of_query, minlength=1).max())
            found, _ = self.index.search(wanted[block], k + n_seen, with_bias=with_bias)
            exact = np.einsum("nd,nkd->nk", wanted[block], targets[found]) + bias[found]
            keys = np.arange(len(found))[:, None] * len(targets) + found
            is_out = (found < 0) | np.isin(keys, of_query * len(targets) + seen_items)
            exact[is_out] = -np.inf
            order = np.lexsort((found, -exact))[:, :k]
            scores[block] = np.take_along_axis(exact, order, 1)
            best = np.take_along_axis(found, order, 1)
            items[block] = np.where(np.isneginf(scores[block]), -1, best)
            if progress is not None:
                progress(min(start + _BLOCK_QUERIES, len(rows)), len(rows))
        return items, scores


def build_index(embeddings: Embeddings, kind: str) -> ItemIndex | None:
    """An index of the items, if one is wanted.

    Args:
        embeddings: of the model.
        kind: one of `INDEXES`.

    Raises:
        ConfigError: another kind, or the extra `ann` is not installed.
    """
    if kind not in INDEXES:
        raise ConfigError(f"the index is {kind!r}, must be one of {', '.join(INDEXES)}")
    return ItemIndex.build(embeddings) if kind == HNSW else None


def item_lists(items: Sequence[np.ndarray]) -> Interactions:
    """Each row's items, ascending.

    Args:
        items: an int array for each row, sorted.
    """
    lengths = [len(row) for row in items]
    flat = np.concatenate([*items, np.zeros(0)]).astype(np.int32)
    return Interactions(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), flat)


def no_items(n_rows: int) -> Interactions:
    """No items for any row."""
    return Interactions(np.zeros(n_rows + 1, np.int64), np.zeros(0, np.int32))


def block_size(n_users: int) -> int:
    """Users that are ranked for at once: one of few sizes, each of which is compiled once."""
    return next((size for size in BLOCK_SIZES if n_users <= size), BLOCK_SIZES[-1])


def _check(k: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}, must be at least 1")


def _score_queries(params: tuple[jax.Array, jax.Array, jax.Array], rows: jax.Array) -> jax.Array:
    queries, items, penalty = params
    return queries[rows] @ items.T + penalty


def _next_power_of_two(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << max(n - 1, 0).bit_length()
