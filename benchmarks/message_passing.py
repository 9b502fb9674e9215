"""Message passing, forward and backward, by this library and by others."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import scipy.sparse

from symcere_jax.graph import Adjacency, propagate


@dataclasses.dataclass(frozen=True)
class Method:
    """One way to propagate: both functions take nothing and return when the result is there.

    Attributes:
        forward: returns `[n_nodes, width]`.
        both: returns the gradient of the sum of squares, `[n_nodes, width]`.
        whole: makes these arrays of what the two return, where it is something else.
    """

    forward: Callable[[], np.ndarray]
    both: Callable[[], np.ndarray]
    whole: Callable[..., np.ndarray] = np.asarray


def jax_method(adjacency: Adjacency, x: np.ndarray, n_layers: int) -> Method:
    """`symcere_jax.graph.propagate` with a prepared adjacency."""

    @jax.jit
    def both(adjacency, x):
        return jax.grad(lambda x: (propagate(adjacency, x, n_layers) ** 2).sum())(x)

    x_device = jnp.asarray(x)
    return Method(
        forward=lambda: propagate(adjacency, x_device, n_layers).block_until_ready(),
        both=lambda: both(adjacency, x_device).block_until_ready(),
    )


def shared_method(adjacency: Adjacency, x: np.ndarray, n_layers: int, n_devices: int) -> Method:
    """`symcere_jax.graph.propagate` on some devices, each with its share of the columns."""

    def forward(adjacency, x):
        return propagate(adjacency, x, n_layers)

    def both(adjacency, x):
        return jax.grad(lambda x: (forward(adjacency, x) ** 2).sum())(x)

    devices = jax.local_devices()[:n_devices]
    copy = jax.pmap(lambda x, tree: (tree, x), "devices", in_axes=(0, None), devices=devices)
    shares = copy(np.stack(np.split(x, n_devices, axis=1)), adjacency)
    functions = [jax.pmap(f, "devices", devices=devices) for f in (forward, both)]
    return Method(
        *(lambda f=f: f(*shares).block_until_ready() for f in functions),
        whole=lambda shares: np.concatenate(list(shares), axis=1),
    )


def normalised(graph: jraph.GraphsTuple) -> scipy.sparse.csr_array:
    """The adjacency matrix of a graph, with its weights."""
    n_nodes = int(graph.n_node.sum())
    ends = (np.asarray(graph.receivers), np.asarray(graph.senders))
    return scipy.sparse.coo_array((graph.edges, ends), shape=(n_nodes, n_nodes)).tocsr()


def scipy_method(matrix: scipy.sparse.csr_array, x: np.ndarray, n_layers: int) -> Method:
    """SciPy's CSR product, on one thread; its backward pass is written by hand."""

    def forward(x: np.ndarray) -> np.ndarray:
        total = state = x
        for _ in range(n_layers):
            state = matrix @ state
            total = total + state
        return total / (n_layers + 1)

    return Method(forward=lambda: forward(x), both=lambda: forward(2 * forward(x)))


def torch_method(
    matrix: scipy.sparse.csr_array, x: np.ndarray, n_layers: int, layout: str
) -> Method:
    """Torch's sparse product and its autograd; COO is what LightGCN-PyTorch and RecBole run."""
    import torch

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array)

    torch.sparse.check_sparse_tensor_invariants.disable()  # said aloud, or torch warns
    coo = matrix.tocoo()
    indices = np.stack([coo.row, coo.col]).astype(np.int64)
    sparse = torch.sparse_coo_tensor(tensor(indices), tensor(coo.data), coo.shape).coalesce()
    if layout == "CSR":
        sparse = sparse.to_sparse_csr()
    return _autograd_method(lambda state: torch.sparse.mm(sparse, state), x, n_layers)


def geometric_method(matrix: scipy.sparse.csr_array, x: np.ndarray, n_layers: int) -> Method:
    """The layers of PyTorch Geometric's LightGCN, and torch's autograd."""
    import torch
    from torch_geometric.nn.conv import LGConv

    coo = matrix.tocoo()
    edges = torch.from_numpy(np.stack([coo.col, coo.row]).astype(np.int64))
    weights = torch.from_numpy(coo.data)
    layer = LGConv(normalize=False)
    return _autograd_method(lambda state: layer(state, edges, weights), x, n_layers)


def _autograd_method(layer: Callable, x: np.ndarray, n_layers: int) -> Method:
    """Layers of torch, and its autograd."""
    import torch

    leaf = torch.from_numpy(x).requires_grad_()

    def forward() -> torch.Tensor:
        total = state = leaf
        for _ in range(n_layers):
            state = layer(state)
            total = total + state
        return total / (n_layers + 1)

    def both() -> np.ndarray:
        return torch.autograd.grad((forward() ** 2).sum(), leaf)[0].numpy()

    def forward_only() -> np.ndarray:
        with torch.no_grad():
            return forward().numpy()

    return Method(forward_only, both)
