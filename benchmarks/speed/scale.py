r"""How the time of an epoch and memory grow with the data, on generated power-law graphs.

  python -m benchmarks.speed.scale --interactions=1e6,3e6,1e7,3e7 --update=docs/speed.md

Each size runs in a process of its own: it builds the graph, trains some steps with the batch size
of the defaults, and multiplies by the steps of an epoch. The copy bandwidth is measured in the same
process; message passing may exceed it where rows come from the caches.
"""

import resource
import time

import numpy as np
from absl import flags

from benchmarks import binaries, tables
from benchmarks.speed import problem
from symcere_jax.cli import startup
from symcere_jax.graph import build_adjacency
from symcere_jax.models.defaults import default_batch_size

_SIZES = flags.DEFINE_list("interactions", ["1e6", "3e6", "1e7", "3e7"], "sizes of the graphs")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "timed runs of each", lower_bound=1)

FEW_STEPS = 4


def measure(n: int, n_rounds: int) -> dict[str, str]:
    """Times, memory and sizes of a graph of about n interactions: a row of the table."""
    interactions = problem.power_law_interactions(n)
    start = time.perf_counter()
    adjacency = build_adjacency(problem.graph(interactions))
    build_seconds = time.perf_counter() - start
    states = np.ones((adjacency.n_nodes, problem.WIDTH), np.float32)
    run = problem.message_passing(adjacency, states)
    propagation_seconds = problem.median_seconds(run, n_rounds)
    bound = problem.propagation_bytes(adjacency) / problem.copy_bandwidth()

    inputs = problem.train_inputs(interactions)
    batch_size = default_batch_size(len(interactions))
    calls = {}
    for n_steps in (1, FEW_STEPS):
        training = problem.build(inputs, batch_size, n_steps)
        calls[n_steps] = problem.median_seconds(training.start(), n_rounds)
    # A call draws the order of its epoch once, then takes its steps.
    step_seconds = (calls[FEW_STEPS] - calls[1]) / (FEW_STEPS - 1)
    order_seconds = max(calls[1] - step_seconds, 0.0)
    return {
        "interactions": f"{len(interactions):,}",
        "nodes": f"{adjacency.n_nodes:,}",
        "s to build the graph": f"{build_seconds:.1f}",
        "padding": f"{adjacency.padding_factor:.2f}",
        "s a propagation": f"{propagation_seconds:.2f}",
        "of the copy bandwidth": f"{bound / propagation_seconds:.0%}",
        "steps": str(training.steps_per_epoch),
        "s an epoch": f"{order_seconds + step_seconds * training.steps_per_epoch:.3g}",
        "peak GiB": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f}",
    }


def main() -> None:
    """Measures each size and shows the table."""
    rows = [
        binaries.in_own_process(measure, int(float(size)), _ROUNDS.value) for size in _SIZES.value
    ]
    text = tables.markdown(rows, 0)
    if len(rows) > 1:
        points = [(row["interactions"].replace(",", ""), row["s an epoch"]) for row in rows]
        slope = np.polyfit(*np.log(np.array(points, float)).T, 1)[0]
        text += f"\n\nThe time of an epoch grows with the interactions to the power {slope:.2f}."
    tables.publish(text, "scale")


if __name__ == "__main__":
    startup.run(main)
