"""The user–item graph and message passing on it."""

from symcere_jax.graph.bipartite import Adjacency, bipartite_graph, build_adjacency
from symcere_jax.graph.propagation import propagate, propagate_walks

__all__ = ["Adjacency", "bipartite_graph", "build_adjacency", "propagate", "propagate_walks"]
