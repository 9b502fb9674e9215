"""The user–item graph, and its adjacency prepared for message passing, in two forms."""

import dataclasses

import jax
import jraph
import numpy as np

from symcere_jax.graph.buckets import BucketedAdjacency, build_buckets


def bipartite_graph(interactions: np.ndarray, n_users: int, n_items: int) -> jraph.GraphsTuple:
    """The symmetrically normalized graph of users and items.

    Nodes are the users, then the items: item `i` is node `n_users + i`. Each interaction gives an
    edge in either direction, of weight

        A[u, i] = A[i, u] = 1 / sqrt(deg(u) · deg(i)).

    A user or item without interactions is a node without edges.

    Args:
        interactions: int32 `[n, 2]`, distinct pairs (user, item), in any order.
        n_users: number of users.
        n_items: number of items.

    Returns:
        A graph of NumPy arrays. `senders` and `receivers` are int32 `[2n]`, sorted by receiver,
        then sender; `edges` are their weights, float32 `[2n]`; `nodes` is None.

    Source: He et al., "LightGCN", SIGIR 2020, equation 3.
    """
    users, items = interactions.astype(np.int64).T
    # A pair as one number: sorting numbers is several times faster than sorting pairs.
    by_user = np.sort(users * n_items + items)
    by_item = np.sort(items * n_users + users)
    # Sorted, a pair's first number follows from how often it occurs: a division takes far longer.
    n_of_user = np.bincount(users, minlength=n_users)
    n_of_item = np.bincount(items, minlength=n_items)
    to_user = np.repeat(np.arange(n_users), n_of_user)
    to_item = np.repeat(np.arange(n_items), n_of_item)
    from_item, from_user = by_user - to_user * n_items, by_item - to_item * n_users
    senders = np.concatenate([from_item + n_users, from_user])
    receivers = np.concatenate([to_user, to_item + n_users])

    n_nodes = n_users + n_items
    degree = np.concatenate([n_of_user, n_of_item])
    # An isolated node has no edge that would read its degree: 0 must divide nothing.
    scale = 1 / np.sqrt(np.maximum(degree, 1))
    return jraph.GraphsTuple(
        nodes=None,
        edges=(scale[senders] * np.repeat(scale, degree)).astype(np.float32),
        senders=senders.astype(np.int32),
        receivers=receivers.astype(np.int32),
        globals=None,
        n_node=np.array([n_nodes], np.int32),
        n_edge=np.array([len(senders)], np.int32),
    )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SegmentAdjacency:
    """An edge list, summed by `jraph.segment_sum`: the plain method."""

    senders: jax.Array  # int32 `[n_edges]`
    receivers: jax.Array  # int32 `[n_edges]`, sorted
    weights: jax.Array  # float32 `[n_edges]`
    n_nodes: int = dataclasses.field(metadata={"static": True})

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return self.senders.shape[0]


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
    return build_buckets(senders, receivers, n_nodes)
