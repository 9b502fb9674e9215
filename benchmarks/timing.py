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
    """Bytes a second that a large array's copy reads and writes, on all cores.

    Into memory that is there already: in new memory, most of the time is that of the system, which
    has to map it.
    """
    source = jnp.ones((256, 2**18), jnp.float32)  # 256 MiB, beyond every cache
    copy = jax.jit(lambda target, source: source + 1, donate_argnums=0, keep_unused=True)
    held = [jnp.zeros_like(source)]

    def run() -> None:
        held[0] = copy(held[0], source).block_until_ready()

    return 2 * source.nbytes / median_seconds(run, 5)


def propagation_bytes(adjacency: Adjacency, width: int, n_layers: int) -> int:
    """What message passing, forward and backward, must move.

    A layer reads a row of floats for each directed edge, and the sum so far, and writes the next
    state.
    """
    rows = adjacency.n_edges + 3 * adjacency.n_nodes
    return 2 * n_layers * rows * 4 * width
