"""Experts whose scores are added: trained ones, neighbors, popularity.

Each expert is trained by itself, with its own temperature and loss: under one loss on the sum of
the scores, an expert does not learn what another already explains. Their scores are scaled to the
same spread and added with weights,

    s_ui = Σ_e w_e / σ_e · s^e_ui,      σ_e: standard deviation of s^e_ui − mean_i s^e_ui,

which is still one inner product: of all their columns side by side.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import jax
import numpy as np

from symcere_jax.data.interactions import Interactions
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.models.item_neighbors import ItemNeighbors
from symcere_jax.models.scores import Embeddings

POPULARITY = "popularity"
# Of the squared norm of the items' columns, so that an expert of no weight can still be searched by
# text, and does not outweigh others in the cosines of items.
_LEAST_SHARE = 0.05
_BLOCK_ROWS = 1 << 14  # in float64 at a time


@dataclasses.dataclass(frozen=True)
class Share:
    """What the columns of an expert are multiplied by."""

    users: float = 1.0
    items: float = 1.0

    @property
    def weight(self) -> float:
        """What the expert's scores are multiplied by."""
        return self.users * self.items


def score_spread(embeddings: Embeddings) -> float:
    """The standard deviation of all scores, each less the mean of its user; 0 for no users."""
    users = [np.asarray(x) for x in (embeddings.users, embeddings.user_neighbors) if x is not None]
    items = [np.asarray(x) for x in (embeddings.items, embeddings.item_neighbors) if x is not None]
    bias = np.asarray(embeddings.item_bias, np.float64)
    bias = bias - bias.mean()
    n_users, n_items = max(len(users[0]), 1), max(len(items[0]), 1)
    width = sum(x.shape[1] for x in users)
    user_sum, user_gram = np.zeros(width), np.zeros((width, width))
    for _, rows in _blocks(users):
        user_sum += rows.sum(axis=0)
        user_gram += rows.T @ rows
    item_mean = sum((rows.sum(axis=0) for _, rows in _blocks(items)), np.zeros(width)) / n_items
    item_bias, item_gram = np.zeros(width), np.zeros((width, width))
    for start, rows in _blocks(items):
        rows -= item_mean
        item_bias += rows.T @ bias[start : start + len(rows)]
        item_gram += rows.T @ rows
    squares = np.vdot(user_gram / n_users, item_gram / n_items)
    cross = user_sum / n_users @ (item_bias / n_items)
    return float(np.sqrt(max(float(squares + 2 * cross + (bias**2).mean()), 0.0)))


def _blocks(columns: Sequence[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of arrays side by side, some at a time, as float64, and the number of the first."""
    for start in range(0, len(columns[0]), _BLOCK_ROWS):
        block = [x[start : start + _BLOCK_ROWS] for x in columns]
        yield start, np.concatenate(block, axis=1, dtype=np.float64)


def column_shares(
    experts: Mapping[str, Embeddings], weights: Mapping[str, float]
) -> dict[str, Share]:
    """Splits the weights of scores into factors for the columns of users and of items.

    The columns of items are proportional to the square root of what they add to the scores, so that
    cosines of items weight the experts as scores do.

    Args:
        experts: the embeddings of each.
        weights: what the scores of each are multiplied by.
    """
    norms, sizes = {}, {}
    for name, embeddings in experts.items():
        users, items = (
            np.sqrt(sum((rows**2).sum() for _, rows in _blocks([np.asarray(x)])) / max(len(x), 1))
            for x in (embeddings.users, embeddings.items)
        )
        if users * items > 0:
            norms[name], sizes[name] = items, weights[name] * users * items
    total = sum(sizes.values()) or 1.0
    parts = {name: max(size / total, _LEAST_SHARE) for name, size in sizes.items()}
    result = {}
    for name in experts:
        items = 1.0
        if name in parts:
            items = float(np.sqrt(parts[name] / sum(parts.values())) / norms[name])
        result[name] = Share(weights[name] / items, items)
    return result


def mix(experts: Mapping[str, Embeddings], shares: Mapping[str, Share]) -> Embeddings:
    """Embeddings whose scores are the weighted sum of those of the experts."""
    columns: dict[str, np.ndarray] = {}
    for field in ("users", "items", "user_neighbors", "item_neighbors"):
        side = "users" if field.startswith("user") else "items"
        scaled = [
            np.asarray(array) * np.float32(getattr(shares[name], side))
            for name, embeddings in experts.items()
            if (array := getattr(embeddings, field)) is not None
        ]
        if scaled:
            columns[field] = np.concatenate(scaled, axis=1)
    bias = sum(
        np.float32(shares[name].weight) * np.asarray(each.item_bias)
        for name, each in experts.items()
    )
    return Embeddings(**jax.device_put({**columns, "item_bias": bias}))


def neighbor_embeddings(neighbors: ItemNeighbors, users: np.ndarray) -> Embeddings:
    """Neighbors as an expert: no columns are trained; those of users are float32 `[n_users, r]`."""
    n_items = len(neighbors.features)
    return _untrained(len(users), np.zeros(n_items, np.float32), users, neighbors.features)


def popularity_embeddings(n_interactions: np.ndarray, n_users: int) -> Embeddings:
    """Popularity as an expert: `log(1 + n)` for everyone."""
    return _untrained(n_users, np.log1p(n_interactions, dtype=np.float32))


def _untrained(n_users: int, item_bias: np.ndarray, *neighbors: np.ndarray) -> Embeddings:
    empty = (np.zeros((n, 0), np.float32) for n in (n_users, len(item_bias)))
    return Embeddings(*jax.device_put((*empty, item_bias, *neighbors)))


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Trained experts, ready to embed new users and items side by side; in host memory."""

    experts: Mapping[str, FoldIn]  # those that are trained, in the order of their columns
    shares: Mapping[str, Share]  # what the columns of each expert are multiplied by
    # The items as neighbors of each other, by expert.
    neighbors: Mapping[str, ItemNeighbors] = dataclasses.field(default_factory=dict)

    def user_rows(
        self,
        items: Interactions,
        text: np.ndarray | None = None,
        own: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """The rows of new users in `Embeddings`, by field; see `FoldIn.users` of each expert."""
        own = own or {}
        columns = {
            name: expert.users(items, text, own.get(name))[0]
            for name, expert in self.experts.items()
        }
        near = {name: each.user_columns(items) for name, each in self.neighbors.items()}
        rows = {"users": self._join("users", columns)}
        return rows | ({"user_neighbors": self._join("users", near)} if near else {})

    def _join(self, side: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Columns of each expert, times its share of a side, next to each other."""
        scaled = [x * np.float32(getattr(self.shares[name], side)) for name, x in columns.items()]
        return np.concatenate(scaled, axis=1)

    def own_sums(
        self, users: np.ndarray, rows: np.ndarray, history: Interactions
    ) -> dict[str, np.ndarray]:
        """What each expert knows of users besides their items; see `FoldIn.own_sums`."""
        sums, start = {}, 0
        for name, expert in self.experts.items():
            columns = users[:, start : start + expert.dim]
            start += expert.dim
            if share := self.shares[name].users:
                sums[name] = expert.own_sums(columns / np.float32(share), rows, history)
        return sums

    def items(self, text: np.ndarray) -> np.ndarray:
        """The columns of new items, float32 `[n, dim]`; see `FoldIn.items`."""
        return self._join("items", {name: each.items(text) for name, each in self.experts.items()})

    def item_rows(self, text: np.ndarray, n_interactions: np.ndarray) -> dict[str, np.ndarray]:
        """The rows of new items in `Embeddings`, by field; `n_interactions [n]` are assumed."""
        rows = {"items": self.items(text), "item_bias": self.item_bias(n_interactions)}
        near = {name: each.features_of(text) for name, each in self.neighbors.items()}
        return rows | ({"item_neighbors": self._join("items", near)} if near else {})

    def popularity(self) -> np.ndarray:
        """`log(1 + n)` of the training interactions of each item, float32 `[n_items]`."""
        return np.log1p(next(iter(self.experts.values())).item_degree, dtype=np.float32)

    def item_bias(self, n_interactions: np.ndarray) -> np.ndarray:
        """What n interactions add to the scores of items, float32 `[n_items]`."""
        bias = np.zeros(len(n_interactions), np.float32)
        if POPULARITY in self.shares:
            bias += np.float32(self.shares[POPULARITY].weight) * np.log1p(n_interactions)
        for name, expert in self.experts.items():
            bias += np.float32(self.shares[name].weight) * expert.item_bias(n_interactions)
        return bias

    def with_items(self, text: np.ndarray, n_interactions: np.ndarray) -> "Mixture":
        """A copy that also knows new items, in rows after the others."""
        return dataclasses.replace(
            self,
            experts={
                name: expert.with_items(text, n_interactions)
                for name, expert in self.experts.items()
            },
            neighbors={name: each.with_items(text) for name, each in self.neighbors.items()},
        )
