"""Times, and what the memory of this machine allows."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.graph import Adjacency


def median_seconds(function: Callable[[], object], n_rounds: int) -> float:
    """Median time of a function, after one call to warm up."""
    return medians({"": function}, n_rounds)[""]


def medians(functions: Mapping[str, Callable[[], object]], n_rounds: int) -> dict[str, float]:
    """Median seconds of each function, which take turns, after one call each to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(n_rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def copy_bandwidth() -> float:
    """Bytes a second that a large array's copy reads and writes, on all cores.

    Into memory that is there already: in new memory, most of the time is that of the system, which
    has to map it.
    """
    source = jnp.ones((256, 2**18), jnp.float32)  # 256 MiB, beyond every cache
    copy = jax.jit(lambda target, source: source + 1, donate_argnums=0, keep_unused=True)
    target = jnp.zeros_like(source)

    def run() -> None:
        nonlocal target
        target = copy(target, source).block_until_ready()

    return 2 * source.nbytes / median_seconds(run, 5)


def propagation_bytes(adjacency: Adjacency, width: int, n_layers: int) -> int:
    """What message passing, forward and backward, must move.

    A layer reads a row of floats for each directed edge, and the sum so far, and writes the next
    state.
    """
    rows = adjacency.n_edges + 3 * adjacency.n_nodes
    return 2 * n_layers * rows * 4 * width


def process_memory(name: str) -> int:
    """Bytes of this process: "VmRSS", what it has now, or "VmHWM", the most that it had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
