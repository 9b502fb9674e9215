r"""How the time of an epoch and memory grow with the data, on generated power-law graphs.

  python -m benchmarks.speed.scale --interactions=1e6,3e6,1e7,3e7 --update=docs/speed.md

Each size runs in a process of its own: it builds the graph, trains some steps with the batch size
that the defaults choose (an epoch has about 64 of them, whatever the size) and multiplies by the
steps of an epoch. The exponent is the slope of a line through the logarithms. The roofline is what
one message passing, forward and backward, must move (each directed edge brings a row of floats
once a layer, and each node a few), over the bandwidth of a copy measured in the same process;
more than 100 % where rows come from the caches.
"""

import json
import sys
import time

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from benchmarks.speed import problem
from symcere_jax.cli import startup
from symcere_jax.graph import bipartite_graph, build_adjacency
from symcere_jax.models.defaults import default_batch_size

_SIZES = flags.DEFINE_list("interactions", ["1e6", "3e6", "1e7", "3e7"], "sizes of the graphs")
_DIM = flags.DEFINE_integer("embedding_dim", 64, "width of the embeddings", lower_bound=1)
_N_LAYERS = flags.DEFINE_integer("n_layers", 3, "number of hops", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "timed runs of each", lower_bound=1)
_SIZE = flags.DEFINE_integer("size", None, "internal: measure one size and print it as JSON")

FEW_STEPS = 4


def measure_propagation(interactions: np.ndarray) -> dict[str, float]:
    """Message passing alone: forward and the gradient of the sum of squares."""
    n_users, n_items = (int(row) + 1 for row in interactions.max(axis=0))
    start = time.perf_counter()
    adjacency = build_adjacency(bipartite_graph(interactions, n_users, n_items))
    build_seconds = time.perf_counter() - start
    states = np.ones((n_users + n_items, _DIM.value), np.float32)
    run = problem.message_passing(adjacency, states, _N_LAYERS.value)
    seconds = problem.median_seconds(run, _ROUNDS.value)
    n_bytes = problem.propagation_bytes(adjacency, _DIM.value, _N_LAYERS.value)
    return {
        "interactions": len(interactions),
        "nodes": adjacency.n_nodes,
        "build_seconds": build_seconds,
        "padding_factor": adjacency.padding_factor,
        "propagation_seconds": seconds,
        "roofline": n_bytes / problem.copy_bandwidth() / seconds,
    }


def measure(n: int) -> dict[str, float]:
    """Times, memory and sizes of a graph of about n interactions."""
    interactions = problem.power_law_interactions(n)
    propagation = measure_propagation(interactions)
    inputs = problem.train_inputs(interactions)
    batch_size = default_batch_size(len(interactions))
    sizes = {"embedding_dim": _DIM.value, "n_layers": _N_LAYERS.value}
    calls = {}
    for n_steps in (1, FEW_STEPS):
        training = problem.build(inputs, batch_size, n_steps, **sizes)
        calls[n_steps] = problem.median_seconds(training.start(), _ROUNDS.value)
    # A call draws the order of its epoch once, then takes its steps.
    step_seconds = (calls[FEW_STEPS] - calls[1]) / (FEW_STEPS - 1)
    order_seconds = max(calls[1] - step_seconds, 0.0)
    return propagation | {
        "steps": training.steps_per_epoch,
        "epoch_seconds": order_seconds + step_seconds * training.steps_per_epoch,
        "peak_gib": problem.process_memory("VmHWM") / 2**30,
    }


def table(sizes: list[dict[str, float]]) -> str:
    """A row a size, in Markdown, and how the time grows."""
    rows = [
        [
            f"{row['interactions']:,}",
            f"{row['nodes']:,}",
            f"{row['build_seconds']:.1f}",
            f"{row['padding_factor']:.2f}",
            f"{row['propagation_seconds']:.2f}",
            f"{row['roofline']:.0%}",
            str(row["steps"]),
            f"{row['epoch_seconds']:.0f}",
            f"{row['peak_gib']:.1f}",
        ]
        for row in sizes
    ]
    columns = ["interactions", "nodes", "s to build the graph", "padding", "s a propagation"]
    columns += ["of the copy bandwidth", "steps", "s an epoch", "peak GiB"]
    text = tables.markdown(columns, rows, n_words=0)
    if len(sizes) > 1:
        logs = np.log([[row["interactions"], row["epoch_seconds"]] for row in sizes])
        slope = np.polyfit(logs[:, 0], logs[:, 1], 1)[0]
        text += f"\n\nThe time of an epoch grows with the interactions to the power {slope:.2f}."
    return text


def main() -> None:
    """Measures each size and shows the table."""
    if _SIZE.value:
        print(json.dumps(measure(_SIZE.value)))
        return
    sizes = []
    for size in map(float, _SIZES.value):
        sizes.append(binaries.run_again(f"--size={int(size)}"))
        print(sizes[-1], file=sys.stderr)
    tables.publish(table(sizes), "scale")


if __name__ == "__main__":
    startup.run(main)
