"""The user–item graph and message passing on it."""

from symcere_jax.graph.adjacency import Adjacency, build_adjacency
from symcere_jax.graph.bipartite import bipartite_graph
from symcere_jax.graph.propagation import propagate, propagate_walks

__all__ = [
    "Adjacency",
    "bipartite_graph",
    "build_adjacency",
    "propagate",
    "propagate_walks",
]
