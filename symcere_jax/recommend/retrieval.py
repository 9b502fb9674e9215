"""The best items for users and queries, among all items or among those that an index finds.

Exact search scores every item, with the code that evaluation ranks with. An index finds candidates,
which are scored exactly and ranked; what it does not find is left out. Search among some of the
items is always exact.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.arrays import unit_rows
from symcere_jax.callbacks import CountCallback
from symcere_jax.data import Interactions
from symcere_jax.evaluation.ranking import check_numbers, largest_block, top_k
from symcere_jax.models import Embeddings
from symcere_jax.recommend.item_index import ItemIndex

BLOCK_SIZES = (1, 8, 64, 256)  # users scored at once; each size is compiled once
_LEAST_RANKS = 16  # fewer are not compiled apart
_INDEX_BLOCK = 64  # queries whose candidates are scored at once
_UNIT_TOLERANCE = 1e-3  # of the norms of items, for cosines by the index


class TopItems(NamedTuple):
    """The k best items of n users or queries, the best first."""

    items: np.ndarray  # int32 [n, k] rows, −1 for an empty rank
    scores: np.ndarray  # float32 [n, k], −∞ for an empty rank


@dataclasses.dataclass(frozen=True)
class Retriever:
    """Finds the best items of a model; without an index, search is exact.

    The popularity, float32 `[n_items]`, ranks for users of whom nothing is known, whose columns are
    all 0; where it is None, the bias of the items does.
    """

    embeddings: Embeddings
    index: ItemIndex | None = None
    popularity: np.ndarray | None = None

    def recommend(
        self,
        users: jax.Array,
        rows: np.ndarray,
        seen: Interactions,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        progress: CountCallback | None = None,
    ) -> TopItems:
        """The items of the largest scores, at most as many ranks as there are items.

        Args:
            users: float32 or float16 `[n_users, columns]`, users as in `joined`.
            rows: int `[n]`, rows of `users`.
            seen: items to leave out, by row of `users`.
            k: number of ranks.
            allowed: int `[m]` item rows to choose from; None: all.
            progress: called after each block.
        """
        if self.index is not None and allowed is None:
            top = self._by_index(self.index, users, rows, seen, k, True, progress)
        else:
            bias = self.joined.item_bias
            if allowed is not None:
                bias = bias + self._penalty(allowed)
            top = self._exact(users, self.joined.items, bias, rows, seen, k, progress)
        is_known = self.known_users if users is self.joined.users else _has_columns(users)
        unknown = np.flatnonzero(~is_known[rows])
        if self.popularity is not None and len(unknown):
            ones, columns = jnp.ones((len(is_known), 1)), jnp.asarray(self.popularity[:, None])
            bias = self._penalty(allowed)
            popular = self._exact(ones, columns, bias, np.asarray(rows)[unknown], seen, k)
            top = TopItems(*(np.array(part) for part in top))
            for part, values in zip(top, popular, strict=True):
                part[unknown] = values
        return top

    def nearest(
        self, queries: np.ndarray, seen: Interactions, k: int, *, allowed: np.ndarray | None = None
    ) -> TopItems:
        """The items of the largest cosine with queries, float32 `[n, dim]` of unit length.

        `seen` are items to leave out, by query; see `recommend`.
        """
        rows = np.arange(len(queries))
        if self.index is not None and allowed is None and self._has_unit_items:
            n_more = self.joined.items.shape[1] - queries.shape[1]
            padded = np.pad(queries, ((0, 0), (0, n_more)))
            return self._by_index(self.index, padded, rows, seen, k, False)
        penalty = self._penalty(allowed)
        items = self._directions_on_device
        return self._exact(jnp.asarray(queries), items, penalty, rows, seen, k)

    @functools.cached_property
    def joined(self) -> Embeddings:
        """The embeddings with all their columns in one array, as the index has them."""
        return self.embeddings.joined()

    @functools.cached_property
    def known_users(self) -> np.ndarray:
        """Which users have columns that are not all 0, bool `[n_users]`."""
        return _has_columns(self.joined.users)

    @functools.cached_property
    def directions(self) -> np.ndarray:
        """Embeddings of items, divided by their norms, float32 `[n_items, dim]`."""
        return unit_rows(np.asarray(self.embeddings.items))

    @functools.cached_property
    def _directions_on_device(self) -> jax.Array:
        return jnp.asarray(self.directions)

    @functools.cached_property
    def _has_unit_items(self) -> bool:
        """Whether inner products, which the index finds, are cosines up to a factor of each query.

        An item without features has length 0, and is not found.
        """
        norms = np.linalg.norm(np.asarray(self.embeddings.items), axis=1)
        return bool((np.abs(norms[norms > 0] - 1) < _UNIT_TOLERANCE).all())

    @functools.cached_property
    def _holds_numbers(self) -> bool:
        """True, looked up once for all requests."""
        check_numbers((self.joined.users, self.joined.items, self.joined.item_bias))
        return True

    def _penalty(self, allowed: np.ndarray | None) -> jax.Array:
        """0 for the items to choose from, −∞ for the others, float32 `[n_items]`."""
        n_items = len(self.embeddings.items)
        penalty = np.full(n_items, 0 if allowed is None else -np.inf, np.float32)
        if allowed is not None:
            penalty[allowed] = 0
        return jnp.asarray(penalty)

    def _exact(
        self,
        queries: jax.Array,
        items: jax.Array,
        bias: jax.Array,
        rows: np.ndarray,
        seen: Interactions,
        k: int,
        progress: CountCallback | None = None,
    ) -> TopItems:
        """`ranking.top_k` in sizes that repeat, so that few requests need a compilation."""
        _check(k)
        n_items = len(items)
        n_ranks = min(max(_LEAST_RANKS, 1 << int(k - 1).bit_length()), n_items)  # a power of two
        size = next((size for size in BLOCK_SIZES if len(rows) <= size), BLOCK_SIZES[-1])
        best, scores, _ = top_k(
            _score_queries,
            (queries, items, bias),
            rows,
            seen,
            n_items,
            n_ranks,
            block_users=min(largest_block(n_items), size),
            checks_params=not self._holds_numbers,
            progress=progress,
        )
        return TopItems(best[:, :k], scores[:, :k])

    def _by_index(
        self,
        index: ItemIndex,
        users: np.ndarray | jax.Array,
        rows: np.ndarray,
        seen: Interactions,
        k: int,
        with_bias: bool,
        progress: CountCallback | None = None,
    ) -> TopItems:
        """Scores the candidates of the index: as many more than k as a query has seen items."""
        _check(k)
        k, rows = min(k, len(index)), np.asarray(rows)
        queries, items = np.asarray(users[rows], np.float32), np.asarray(self.joined.items)
        bias = np.asarray(self.joined.item_bias) * np.float32(with_bias)
        top = TopItems(
            np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), -np.inf, np.float32)
        )
        for start in range(0, len(rows), _INDEX_BLOCK):
            block = slice(start, start + _INDEX_BLOCK)
            places, seen_items = seen.flat(rows[block])
            n_seen = int(np.bincount(places, minlength=1).max())
            neighbors = index.search(queries[block], k + n_seen, with_bias=with_bias)
            scores = np.einsum("nd,nkd->nk", queries[block], items[neighbors]) + bias[neighbors]
            pairs = np.arange(len(neighbors))[:, None] * len(items) + neighbors
            is_out = (neighbors < 0) | np.isin(pairs, places * len(items) + seen_items)
            scores[is_out] = -np.inf
            order = np.lexsort((neighbors, -scores))[:, :k]
            top.scores[block] = np.take_along_axis(scores, order, 1)
            best = np.take_along_axis(neighbors, order, 1)
            top.items[block] = np.where(np.isneginf(top.scores[block]), -1, best)
            if progress is not None:
                progress(min(start + _INDEX_BLOCK, len(rows)), len(rows))
        return top


def _check(k: int) -> None:
    if not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k is {k!r}, must be a whole number of at least 1")


def _has_columns(users: jax.Array | np.ndarray) -> np.ndarray:
    """Which rows are not all 0, bool `[n]`."""
    return np.any(np.asarray(users) != 0, axis=1)


def _score_queries(params: tuple[jax.Array, jax.Array, jax.Array], rows: jax.Array) -> jax.Array:
    queries, items, bias = params
    # With the addition fused into it, the product of a single query takes ten times as long on CPU.
    return jax.lax.optimization_barrier(queries[rows] @ items.T) + bias
