"""Random user–item graphs, and a dense float64 oracle of propagation on them."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

from symcere_jax.graph import bipartite_graph
from symcere_jax.graph.buckets import MAX_ROW


@dataclasses.dataclass(frozen=True)
class Case:
    """Interactions, int32 `[n, 2]`, of so many users and items."""

    interactions: np.ndarray
    n_users: int
    n_items: int

    @property
    def n_nodes(self) -> int:
        return self.n_users + self.n_items

    def graph(self):
        return bipartite_graph(self.interactions, self.n_users, self.n_items)

    def dense(self) -> np.ndarray:
        """The normalized adjacency, float64 `[n_nodes, n_nodes]`, from its definition."""
        adjacency = np.zeros((self.n_nodes, self.n_nodes))
        for user, item in self.interactions:
            adjacency[user, self.n_users + item] = adjacency[self.n_users + item, user] = 1
        degree = adjacency.sum(axis=1)
        for row, column in np.argwhere(adjacency):
            adjacency[row, column] = 1 / np.sqrt(degree[row] * degree[column])
        return adjacency

    def propagation_matrix(self, n_layers: int) -> np.ndarray:
        """mean_{l=0..n_layers} A^l, float64."""
        adjacency = self.dense()
        powers = [np.linalg.matrix_power(adjacency, hop) for hop in range(n_layers + 1)]
        return np.mean(powers, axis=0)

    def walks_matrix(self, n_layers: int) -> np.ndarray:
        """Σ_{l=0..n_layers−1} A^l, float64."""
        adjacency, total = self.dense(), np.zeros((self.n_nodes, self.n_nodes))
        for hop in range(n_layers):
            total += np.linalg.matrix_power(adjacency, hop)
        return total

    def states(self, width: int, seed: int = 0) -> np.ndarray:
        """Random float32 `[n_nodes, width]`."""
        return np.random.default_rng(seed).standard_normal((self.n_nodes, width), np.float32)


def random_case(n_users: int, n_items: int, density: float, seed: int = 0) -> Case:
    """Interactions with a chance of `density`, in random order; popularity falls with the row."""
    rng = np.random.default_rng(seed)
    chance = density * 2 * rng.random((n_users, 1)) * np.linspace(2, 0, n_items) ** 2
    pairs = np.argwhere(rng.random((n_users, n_items)) < chance)
    return Case(rng.permutation(pairs).astype(np.int32), n_users, n_items)


def star(n_users: int) -> Case:
    """All users have the same, only, item."""
    users = np.arange(n_users)
    return Case(np.stack([users, 0 * users], axis=1).astype(np.int32), n_users, 1)


def skewed_case() -> Case:
    """Degrees that need all levels of buckets, isolated nodes among users and items."""
    n_users = MAX_ROW * MAX_ROW + 3
    sizes = {0: n_users - 1, 2: MAX_ROW, 3: MAX_ROW + 1, 4: 5 * MAX_ROW - 1, 5: 1}
    pairs = [(user, item) for item, size in sizes.items() for user in range(size)]
    return Case(np.array(pairs, np.int32), n_users, 7)


def cases() -> st.SearchStrategy[Case]:
    """Graphs of 1 to 90 users and items, from empty to complete; some rows exceed MAX_ROW."""
    return st.builds(
        random_case,
        n_users=st.sampled_from([1, 2, 7, MAX_ROW, 90]),
        n_items=st.sampled_from([1, 3, 20, MAX_ROW + 1]),
        density=st.sampled_from([0.0, 0.02, 0.2, 10.0]),
        seed=st.integers(0, 3),
    )
