"""Times, and what the memory of this machine allows."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.graph import Adjacency


def median_seconds(function: Callable[[], object], rounds: int) -> float:
    """Median time of a function, after one call to warm up."""
    function()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def copy_bandwidth() -> float:
    """Bytes a second that a large array's copy reads and writes."""
    x = jnp.ones((256, 2**18), jnp.float32)  # 256 MiB, beyond every cache
    copy = jax.jit(lambda x: x + 1)
    return 2 * x.nbytes / median_seconds(lambda: copy(x).block_until_ready(), 5)


def propagation_bytes(adjacency: Adjacency, width: int, n_layers: int) -> int:
    """What message passing, forward and backward, must move.

    A layer reads a row of floats for each directed edge, and the sum so far, and writes the next
    state.
    """
    rows = adjacency.n_edges + 3 * adjacency.n_nodes
    return 2 * n_layers * rows * 4 * width
