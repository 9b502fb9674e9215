r"""How the time of an epoch and memory grow with the data, on generated power-law graphs.

  python benchmarks/scale.py --interactions=1e6,3e6,1e7,3e7 --update=docs/speed.md

Each size runs in a process of its own: it builds the graph, trains some steps with the batch size
that the defaults choose (an epoch has about 64 of them, whatever the size) and multiplies by the
steps of an epoch. The exponent is the slope of a line through the logarithms. The roofline is what
one message passing, forward and backward, must move (each directed edge brings a row of floats
once a layer, and each node a few), over the bandwidth of a copy measured in the same process;
more than 100 % where rows come from the caches. Large graphs are in huge pages of memory, as
launch/train.py has them.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tables
import training_problem
from absl import flags
from graphs import power_law_interactions
from timing import copy_bandwidth, median_seconds, propagation_bytes

from symcere_jax.cli import app as cli
from symcere_jax.graph import Adjacency, bipartite_graph, build_adjacency, propagate
from symcere_jax.models.defaults import default_batch_size

_SIZES = flags.DEFINE_list("interactions", ["1e6", "3e6", "1e7", "3e7"], "sizes of the graphs")
_DIM = flags.DEFINE_integer("embedding_dim", 64, "width of the embeddings", lower_bound=1)
_N_LAYERS = flags.DEFINE_integer("n_layers", 3, "number of hops", lower_bound=1)
_CANDIDATES = flags.DEFINE_integer("sampled_candidates", 2048, "items that compete", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "timed runs of each", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_ONE = flags.DEFINE_integer("one", None, "internal: measure one size and print it as JSON")

FEW_STEPS = 4


def measure_propagation(interactions: np.ndarray) -> dict:
    """Message passing alone: forward and the gradient of the sum of squares."""
    n_users, n_items = (int(count) + 1 for count in interactions.max(axis=0))
    start = time.perf_counter()
    adjacency = build_adjacency(bipartite_graph(interactions, n_users, n_items))
    build_seconds = time.perf_counter() - start
    x = jnp.ones((n_users + n_items, _DIM.value))

    @jax.jit
    def both(adjacency: Adjacency, x: jax.Array) -> jax.Array:
        return jax.grad(lambda x: (propagate(adjacency, x, _N_LAYERS.value) ** 2).sum())(x)

    seconds = median_seconds(lambda: both(adjacency, x).block_until_ready(), _ROUNDS.value)
    n_bytes = propagation_bytes(adjacency, _DIM.value, _N_LAYERS.value)
    return {
        "interactions": len(interactions),
        "nodes": adjacency.n_nodes,
        "build_seconds": build_seconds,
        "padding_factor": adjacency.padding_factor,
        "propagation_seconds": seconds,
        "roofline": n_bytes / copy_bandwidth() / seconds,
    }


def measure(n: int) -> dict:
    """Times, memory and sizes of a graph of about n interactions."""
    interactions = power_law_interactions(n)
    of_propagation = measure_propagation(interactions)
    batch_size = default_batch_size(len(interactions))
    inputs = training_problem.train_inputs(interactions)
    calls = {}
    for n_steps in (1, FEW_STEPS):
        state, steps, steps_per_epoch = training_problem.training(
            inputs,
            batch_size,
            n_steps,
            embedding_dim=_DIM.value,
            n_layers=_N_LAYERS.value,
            sampled_candidates=_CANDIDATES.value,
            user_ranking_weight=0.0,
        )
        held = [state]
        del state

        def call(steps: Callable = steps, held: list = held) -> None:
            held[0] = steps(held[0])

        calls[n_steps] = median_seconds(call, _ROUNDS.value)
        held.clear()
    # A call draws the order of its epoch once, then takes its steps.
    step_seconds = (calls[FEW_STEPS] - calls[1]) / (FEW_STEPS - 1)
    order_seconds = max(calls[1] - step_seconds, 0.0)
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return of_propagation | {
        "steps": steps_per_epoch,
        "epoch_seconds": order_seconds + step_seconds * steps_per_epoch,
        "peak_gib": int(peak.split()[1]) / 2**20,
    }


def main() -> None:
    """Measures each size and shows the table."""
    if _ONE.value:
        print(json.dumps(measure(_ONE.value)))
        return
    found = []
    for size in map(float, _SIZES.value):
        command = [sys.executable, *sys.argv, f"--one={int(size)}"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found.append(json.loads(output.splitlines()[-1]))
        print(found[-1], file=sys.stderr)
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
        for row in found
    ]
    columns = ["interactions", "nodes", "s to build the graph", "padding", "s a propagation"]
    columns += ["of the copy bandwidth", "steps", "s an epoch", "peak GiB"]
    text = tables.markdown(columns, rows, n_words=0)
    if len(found) > 1:
        logs = np.log([[row["interactions"], row["epoch_seconds"]] for row in found])
        slope = np.polyfit(logs[:, 0], logs[:, 1], 1)[0]
        text += f"\n\nThe time of an epoch grows with the interactions to the power {slope:.2f}."
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "scale", text)


if __name__ == "__main__":
    cli.run(main)
