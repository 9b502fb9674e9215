r"""Times message passing: the bucketed method, plain jraph.segment_sum, and other libraries.

  python benchmarks/propagation.py --data=DIR --json=propagation.json
  python benchmarks/propagation.py --synthetic_interactions=1000000

DIR holds train.txt.gz of the LightGCN benchmarks: a line is a user, then the user's items. Without
it a graph is generated whose degrees follow a power law.

On CPU the bucketed method also runs on two devices, which share the columns as they do in training.

"forward" is one propagation, "forward + backward" is it and the gradient of the sum of its squares.
Methods take turns; each one runs twice a turn and the second run is timed, since the first one also
pays for what the method before it left in the caches. Times are medians over the turns.
"""

import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from absl import flags
from graphs import power_law_interactions, read_interactions
from message_passing import jax_method, normalised, scipy_method, shared_method, torch_method
from rich.console import Console
from rich.table import Table

from symcere_jax.cli import app as cli
from symcere_jax.graph import bipartite_graph, build_adjacency

_DATA = flags.DEFINE_string("data", None, "folder with train.txt.gz; default: a generated graph")
_SYNTHETIC = flags.DEFINE_integer(
    "synthetic_interactions", 1_000_000, "size of the generated graph", lower_bound=1
)
_WIDTH = flags.DEFINE_integer("width", 64, "width of the embeddings", lower_bound=1)
_N_LAYERS = flags.DEFINE_integer("n_layers", 3, "number of hops", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 10, "number of turns", lower_bound=1)
_JSON = flags.DEFINE_string("json", None, "file to write the numbers to")

REFERENCE = "segment_sum"
OURS = "bucketed"
N_DEVICES = 2


def median_ms(functions: dict[str, Callable[[], np.ndarray]], rounds: int) -> dict[str, float]:
    """Milliseconds of each function, which take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            function()
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * float(np.median(values)) for name, values in seconds.items()}


def measure(interactions: np.ndarray, width: int, n_layers: int, rounds: int) -> dict:
    """Sizes of the graph, and times and deviations from `REFERENCE` of each method."""
    n_users, n_items = map(int, interactions.max(axis=0) + 1)
    graph = bipartite_graph(interactions, n_users, n_items)
    start = time.perf_counter()
    bucketed = build_adjacency(graph)
    seconds_to_build = time.perf_counter() - start
    n_nodes = n_users + n_items
    x = np.random.default_rng(0).standard_normal((n_nodes, width), dtype=np.float32)
    matrix = normalised(graph)
    methods = {
        REFERENCE: jax_method(build_adjacency(graph, "segment"), x, n_layers),
        OURS: jax_method(bucketed, x, n_layers),
        "SciPy CSR": scipy_method(matrix, x, n_layers),
    }
    if jax.local_device_count() >= N_DEVICES:
        shared = shared_method(bucketed, x, n_layers, N_DEVICES)
        methods[f"{OURS}, {N_DEVICES} devices"] = shared
    if importlib.util.find_spec("torch"):
        methods |= {
            f"torch {layout}": torch_method(matrix, x, n_layers, layout)
            for layout in ("COO", "CSR")
        }
    outputs = {name: method.whole(method.forward()) for name, method in methods.items()}
    gradients = {name: method.whole(method.both()) for name, method in methods.items()}
    forward = median_ms({name: method.forward for name, method in methods.items()}, rounds)
    both = median_ms({name: method.both for name, method in methods.items()}, rounds)
    return {
        "jax": jax.__version__,
        "device": jax.devices()[0].platform,
        "n_nodes": n_nodes,
        "n_edges": bucketed.n_edges,
        "width": width,
        "n_layers": n_layers,
        "padding_factor": bucketed.padding_factor,
        "n_buckets": bucketed.n_buckets,
        "seconds_to_build": seconds_to_build,
        "methods": {
            name: {
                "forward_ms": forward[name],
                "forward_backward_ms": both[name],
                "forward_speedup": forward[REFERENCE] / forward[name],
                "forward_backward_speedup": both[REFERENCE] / both[name],
                "output_deviation": float(abs(outputs[name] - outputs[REFERENCE]).max()),
                "gradient_deviation": float(abs(gradients[name] - gradients[REFERENCE]).max()),
            }
            for name in methods
        },
    }


def table(result: dict) -> Table:
    """The numbers of `measure`, a row a method."""
    title = (
        f"{result['n_nodes']:,} nodes, {result['n_edges']:,} directed edges, width "
        f"{result['width']}, {result['n_layers']} layers, JAX {result['jax']} on "
        f"{result['device']}; {result['n_buckets']} buckets, padding factor "
        f"{result['padding_factor']:.2f}, built in {result['seconds_to_build']:.1f} s"
    )
    columns = ("method", "forward ms", "×", "forward + backward ms", "×")
    rich_table = Table(*columns, "max |Δ output|", "max |Δ gradient|", title=title)
    for name, row in result["methods"].items():
        rich_table.add_row(
            name,
            f"{row['forward_ms']:.1f}",
            f"{row['forward_speedup']:.1f}",
            f"{row['forward_backward_ms']:.1f}",
            f"{row['forward_backward_speedup']:.1f}",
            f"{row['output_deviation']:.1e}",
            f"{row['gradient_deviation']:.1e}",
        )
    return rich_table


def main() -> None:
    """Measures, prints a table and writes the numbers."""
    jax.config.update("jax_num_cpu_devices", N_DEVICES)
    if _DATA.value:
        interactions = read_interactions(Path(_DATA.value) / "train.txt.gz")
    else:
        interactions = power_law_interactions(_SYNTHETIC.value)
    result = measure(interactions, _WIDTH.value, _N_LAYERS.value, _ROUNDS.value)
    Console().print(table(result))
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main)
