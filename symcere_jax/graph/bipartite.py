"""The user–item graph: who interacted with what, in both directions, with normalised weights."""

import jraph
import numpy as np


def bipartite_graph(interactions: np.ndarray, n_users: int, n_items: int) -> jraph.GraphsTuple:
    """The symmetrically normalised graph of users and items.

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

    Raises:
        ValueError: the interactions are not integer pairs, are out of range, or repeat a pair.

    Source: He et al., "LightGCN", SIGIR 2020, equation 3.
    """
    interactions = np.asarray(interactions)
    if interactions.ndim != 2 or interactions.shape[1] != 2 or interactions.dtype.kind not in "iu":
        raise ValueError(
            f"interactions are {interactions.dtype} {interactions.shape}, must be integers [n, 2]"
        )
    users, items = interactions.astype(np.int64).T
    bad = np.flatnonzero((users < 0) | (users >= n_users) | (items < 0) | (items >= n_items))
    if len(bad):
        raise ValueError(
            f"interaction {bad[0]} is (user {users[bad[0]]}, item {items[bad[0]]}), "
            f"out of range for {n_users} users and {n_items} items"
        )
    # A pair as one number: sorting numbers is several times faster than sorting pairs.
    by_user = np.sort(users * n_items + items)
    repeated = np.flatnonzero(by_user[1:] == by_user[:-1])
    if len(repeated):
        user, item = divmod(int(by_user[repeated[0]]), n_items)
        raise ValueError(
            f"the interactions repeat (user {user}, item {item}) and {len(repeated) - 1} other "
            "pairs; keep one of each"
        )
    by_item = np.sort(items * n_users + users)
    # `max`: without users or items there are no pairs to take apart, but a modulus must not be 0.
    to_user, from_item = np.divmod(by_user, max(n_items, 1))
    to_item, from_user = np.divmod(by_item, max(n_users, 1))
    senders = np.concatenate([from_item + n_users, from_user])
    receivers = np.concatenate([to_user, to_item + n_users])

    n_nodes = n_users + n_items
    # An isolated node has no edge that would read its degree: 0 must divide nothing.
    scale = 1 / np.sqrt(np.maximum(np.bincount(receivers, minlength=n_nodes), 1))
    return jraph.GraphsTuple(
        nodes=None,
        edges=(scale[senders] * scale[receivers]).astype(np.float32),
        senders=senders.astype(np.int32),
        receivers=receivers.astype(np.int32),
        globals=None,
        n_node=np.array([n_nodes], np.int32),
        n_edge=np.array([len(senders)], np.int32),
    )
