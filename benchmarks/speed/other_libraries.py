"""LightGCN by torch and PyTorch Geometric: message passing, a training step, ranking.

Torch's COO product is what LightGCN-PyTorch and RecBole run, CSR is its fastest.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import jraph
import numpy as np

from benchmarks.speed.problem import BPR_BATCH, N_LAYERS, WIDTH
from symcere_jax.data import Interactions

if TYPE_CHECKING:  # torch is imported by those sides alone that use it
    import torch

Layer = Callable[["torch.Tensor"], "torch.Tensor"]

USERS_AT_ONCE = 256


def torch_layer(graph: jraph.GraphsTuple, layout: str) -> Layer:
    """One layer of message passing: layout "COO", "CSR", or "PyG" for PyTorch Geometric's."""
    import torch

    ends = torch.tensor(np.stack([graph.receivers, graph.senders]).astype(np.int64))
    weights = torch.tensor(np.asarray(graph.edges))
    if layout == "PyG":
        from torch_geometric.nn.conv import LGConv

        convolution = LGConv(normalize=False)
        return lambda states: convolution(states, ends.flip(0), weights)
    torch.sparse.check_sparse_tensor_invariants.disable()  # torch warns otherwise
    n_nodes = int(graph.n_node.sum())
    sparse = torch.sparse_coo_tensor(ends, weights, (n_nodes, n_nodes)).coalesce()
    if layout == "CSR":
        sparse = sparse.to_sparse_csr()
    return lambda states: torch.sparse.mm(sparse, states)


def torch_passing(layer: Layer, states: np.ndarray) -> Callable[[], np.ndarray]:
    """Message passing and torch's autograd; the gradient of the sum of squares."""
    import torch

    leaf = torch.from_numpy(states).requires_grad_()

    def run() -> np.ndarray:
        squares = (_propagate(layer, leaf) ** 2).sum()
        return torch.autograd.grad(squares, leaf)[0].numpy()

    return run


def torch_step(layer: Layer, interactions: np.ndarray) -> Callable[[], object]:
    """A step of LightGCN as LightGCN-PyTorch has it: BPR with one sampled item, Adam."""
    import torch

    users, items = map(torch.from_numpy, interactions.astype(np.int64).T)
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    table = torch.nn.Parameter(0.1 * torch.randn(n_users + n_items, WIDTH))
    adam = torch.optim.Adam([table], lr=1e-3)

    def step() -> object:
        nodes = _propagate(layer, table)
        rows = torch.randint(len(users), (BPR_BATCH,))
        anchors = nodes[users[rows]]
        positives = (anchors * nodes[n_users + items[rows]]).sum(1)
        negatives = (anchors * nodes[n_users + torch.randint(n_items, (BPR_BATCH,))]).sum(1)
        return _update(adam, torch.nn.functional.softplus(negatives - positives).mean())

    return step


def geometric_step(interactions: np.ndarray) -> Callable[[], object]:
    """A step of LightGCN as PyTorch Geometric ships it."""
    import torch
    from torch_geometric.nn import LightGCN

    users, items = map(torch.from_numpy, interactions.astype(np.int64).T)
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    edges = torch.stack([torch.cat([users, items + n_users]), torch.cat([items + n_users, users])])
    model = LightGCN(n_users + n_items, WIDTH, N_LAYERS)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> object:
        rows = torch.randint(len(users), (BPR_BATCH,))
        negatives = n_users + torch.randint(n_items, (BPR_BATCH,))
        ends = torch.cat([n_users + items[rows], negatives])
        pairs = torch.stack([users[rows].repeat(2), ends])
        positive, negative = model(edges, pairs).chunk(2)
        nodes = pairs.unique()
        loss = model.recommendation_loss(positive, negative, node_id=nodes, lambda_reg=0.0)
        return _update(adam, loss)

    return step


def torch_ranking(
    users: np.ndarray, items: np.ndarray, seen: Interactions, k: int
) -> Callable[[], np.ndarray]:
    """Blocks of scores, −∞ where seen, and torch.topk, as LightGCN-PyTorch ranks."""
    import torch

    user_table, item_table = torch.from_numpy(users), torch.from_numpy(items)

    def rank() -> np.ndarray:
        best = np.empty((len(users), k), np.int64)
        with torch.inference_mode():
            for start in range(0, len(users), USERS_AT_ONCE):
                block = np.arange(start, min(start + USERS_AT_ONCE, len(users)))
                scores = user_table[start : start + len(block)] @ item_table.T
                rows, columns = seen.flat(block)
                scores[torch.from_numpy(rows), torch.from_numpy(columns).long()] = -torch.inf
                best[block] = torch.topk(scores, k).indices.numpy()
        return best

    return rank


def _propagate(layer: Layer, states: "torch.Tensor") -> "torch.Tensor":
    total = states
    for _ in range(N_LAYERS):
        states = layer(states)
        total = total + states
    return total / (N_LAYERS + 1)


def _update(optimizer: "torch.optim.Optimizer", loss: "torch.Tensor") -> float:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
