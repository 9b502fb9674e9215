"""A graph prepared for message passing, in two forms."""

import dataclasses

import jax
import jraph
import numpy as np

from symcere_jax.graph.buckets import build_buckets


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SegmentAdjacency:
    """An edge list, summed by `jraph.segment_sum`: the plain method.

    Attributes:
        senders: int32 `[n_edges]`.
        receivers: int32 `[n_edges]`, sorted.
        weights: float32 `[n_edges]`.
        n_nodes: number of nodes.
    """

    senders: jax.Array
    receivers: jax.Array
    weights: jax.Array
    n_nodes: int = dataclasses.field(metadata={"static": True})

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return self.senders.shape[0]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BucketedAdjacency:
    """Neighbor lists in buckets of similar length: the fast method. See `buckets.Buckets`.

    Attributes:
        levels: buckets, int32 `[steps, unroll, rows]`, of the slots whose states are added.
        slot_of_node: int32 `[n_nodes]`.
        node_of_slot: int32 `[n_slots]`, `n_nodes` where the slot belongs to no node.
        degree: float32 `[n_nodes]`, 1 for an isolated node, so that it can divide.
        n_nodes: number of nodes.
        n_edges: number of directed edges.
    """

    levels: tuple[tuple[jax.Array, ...], ...]
    slot_of_node: jax.Array
    node_of_slot: jax.Array
    degree: jax.Array
    n_nodes: int = dataclasses.field(metadata={"static": True})
    n_edges: int = dataclasses.field(metadata={"static": True})

    @property
    def padding_factor(self) -> float:
        """Gathered states for each edge, 1 at best."""
        n_gathered = sum(bucket.size for level in self.levels for bucket in level)
        return n_gathered / max(self.n_edges, 1)


Adjacency = BucketedAdjacency | SegmentAdjacency


def build_adjacency(graph: jraph.GraphsTuple, method: str = "bucketed") -> Adjacency:
    """Prepares a graph for `propagate`.

    The result is a pytree: pass it to jitted functions as an argument. If they close over it, it is
    compiled into them as a constant.

    Args:
        graph: from `bipartite_graph`: symmetric, with weights `1 / sqrt(deg · deg)`.
        method: "bucketed", which takes the weights from the degrees; or "segment", the plain one.
    """
    n_nodes = int(graph.n_node.sum())
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    if method == "segment":
        arrays = {"senders": senders, "receivers": receivers, "weights": np.asarray(graph.edges)}
        return SegmentAdjacency(**jax.device_put(arrays), n_nodes=n_nodes)

    degree = np.maximum(np.bincount(receivers, minlength=n_nodes), 1).astype(np.float32)
    buckets = build_buckets(senders, receivers, n_nodes)
    return BucketedAdjacency(
        levels=jax.device_put(buckets.levels),
        slot_of_node=jax.device_put(buckets.slot_of_node),
        node_of_slot=jax.device_put(buckets.node_of_slot),
        degree=jax.device_put(degree),
        n_nodes=n_nodes,
        n_edges=len(senders),
    )
