r"""Message passing, training step, epoch and evaluation beside other libraries, on the same data.

  python -m benchmarks.speed.comparison --data=DIR --update=docs/speed.md

DIR holds train.txt.gz of the LightGCN benchmarks; without it a power-law graph is generated. Torch
and PyTorch Geometric run where they are installed. A step is LightGCN's: BPR with one sampled item,
Adam, the same batch size. An epoch of the others is their step times its number; ours is measured,
with the batch that the defaults choose. Sides take turns; times are medians.
"""

import functools
import importlib.util
import math
from collections.abc import Callable, Mapping

import jax
import numpy as np
from absl import flags

from benchmarks import tables
from benchmarks.speed import other_libraries, problem
from symcere_jax.cli import startup
from symcere_jax.data import Interactions
from symcere_jax.evaluation import top_k
from symcere_jax.graph import build_adjacency
from symcere_jax.models import Embeddings, score_factors
from symcere_jax.models.defaults import default_batch_size

_DATA = flags.DEFINE_string("data", None, problem.DATA_HELP)
_GENERATED = flags.DEFINE_integer("generated", 1_000_000, "interactions of the generated graph", 1)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "number of turns", lower_bound=1)

K = 20  # ranks of the evaluation
STEPS_PER_CALL = 32  # of ours: training runs up to 500 in a call, which draws the order once
OURS = "symcere_jax"

Run = Callable[[], object]
Sides = dict[str, Callable[[], Run]]  # side -> what builds the function to time


def passing_sides(interactions: np.ndarray) -> Sides:
    """Message passing, forward and backward."""
    graph = problem.graph(interactions)
    adjacency = build_adjacency(graph)
    states = np.random.default_rng(0).standard_normal(
        (adjacency.n_nodes, problem.WIDTH), np.float32
    )

    def torch(layout: str) -> Run:
        return other_libraries.torch_passing(other_libraries.torch_layer(graph, layout), states)

    ours = functools.partial(problem.message_passing, adjacency, states)
    return {OURS: ours} | torch_sides(torch)


def torch_sides(build: Callable[[str], Run]) -> Sides:
    """The libraries of torch that are installed, by layouts of `other_libraries.torch_layer`."""
    layouts = {"torch COO": "COO", "torch CSR": "CSR", "PyG LightGCN": "PyG"}
    if not importlib.util.find_spec("torch_geometric"):
        del layouts["PyG LightGCN"]
    if not importlib.util.find_spec("torch"):
        return {}
    return {name: functools.partial(build, layout) for name, layout in layouts.items()}


def step_sides(interactions: np.ndarray) -> Sides:
    """Training steps of LightGCN; ours are `STEPS_PER_CALL`."""

    def torch(layout: str) -> Run:
        if layout == "PyG":
            return other_libraries.geometric_step(interactions)
        layer = other_libraries.torch_layer(problem.graph(interactions), layout)
        return other_libraries.torch_step(layer, interactions)

    ours = functools.partial(our_steps, interactions, problem.BPR_BATCH, **problem.LIGHTGCN)
    return {OURS: ours} | torch_sides(torch)


def ranking_sides(interactions: np.ndarray) -> Sides:
    """Full ranking for each user."""
    n_users, n_items = problem.sizes(interactions)
    rng = np.random.default_rng(0)
    users, items = (rng.standard_normal((n, problem.WIDTH), np.float32) for n in (n_users, n_items))
    seen = Interactions.from_pairs(interactions, n_users)
    factors = Embeddings(users, items, np.zeros(n_items, np.float32)).factors()
    rows = np.arange(n_users)
    sides: Sides = {OURS: lambda: lambda: top_k(score_factors, factors, rows, seen, n_items, K)}
    if importlib.util.find_spec("torch"):
        sides["torch.topk"] = lambda: other_libraries.torch_ranking(users, items, seen, K)
    return sides


CASES = {"passing": passing_sides, "step": step_sides, "evaluation": ranking_sides}


def our_steps(interactions: np.ndarray, batch_size: int, **settings: object) -> Run:
    """Training steps of this library."""
    inputs = problem.train_inputs(interactions)
    return problem.build(inputs, batch_size, STEPS_PER_CALL, **settings).start()


def own_epoch(interactions: np.ndarray) -> float:
    """Seconds of an epoch with the default batch size, from some of its steps."""
    batch_size = default_batch_size(len(interactions))
    seconds = problem.median_seconds(our_steps(interactions, batch_size), 2)
    return seconds / STEPS_PER_CALL * math.ceil(len(interactions) / batch_size)


def check_equal(runs: Mapping[str, Run]) -> None:
    """Ends the program where message passing of two sides differs."""
    expected = runs[OURS]()
    for name, run in runs.items():
        np.testing.assert_allclose(run(), expected, rtol=1e-3, atol=1e-4, err_msg=name)


def describe(seconds: Mapping[str, Mapping[str, float]], interactions: np.ndarray) -> str:
    """Three tables in Markdown."""
    adjacency = build_adjacency(problem.graph(interactions))
    bound = problem.propagation_bytes(adjacency) / problem.copy_bandwidth()
    passing = [
        {
            "message passing, forward and backward": name,
            "ms": f"{1000 * value:.0f}",
            "× ours": f"{value / seconds['passing'][OURS]:.1f}",
            "of the copy bandwidth": f"{bound / value:.0%}",
        }
        for name, value in seconds["passing"].items()
    ]
    epoch, n_steps = own_epoch(interactions), math.ceil(len(interactions) / problem.BPR_BATCH)
    steps = seconds["step"] | {OURS: seconds["step"][OURS] / STEPS_PER_CALL}
    training = [
        {
            "training": name,
            "ms a step": f"{1000 * step:.0f}",
            "× ours": f"{step / steps[OURS]:.1f}",
            "s an epoch": f"{step * n_steps:.0f}",
            "× our defaults": f"{step * n_steps / epoch:.1f}",
        }
        for name, step in steps.items()
    ]
    training.append(
        dict.fromkeys(training[0], "")
        | {"training": f"{OURS}, defaults", "s an epoch": f"{epoch:.0f}", "× our defaults": "1.0"}
    )
    ranking = [
        {
            "evaluation of all users": name,
            "s": f"{value:.2f}",
            "× ours": f"{value / seconds['evaluation'][OURS]:.1f}",
        }
        for name, value in seconds["evaluation"].items()
    ]
    n_users, n_items = problem.sizes(interactions)
    sizes = f"{n_users:,} users, {n_items:,} items, {len(interactions):,} interactions"
    parts = [f"{sizes}, on {jax.devices()[0].device_kind}."]
    return "\n\n".join([*parts, *map(tables.markdown, (passing, training, ranking))])


def main() -> None:
    """Measures and shows the tables."""
    interactions = problem.load_interactions(_DATA.value, _GENERATED.value)
    seconds = {}
    for case, sides in CASES.items():
        runs = {name: build() for name, build in sides(interactions).items()}
        if case == "passing":
            check_equal(runs)
        seconds[case] = problem.medians(runs, _ROUNDS.value)
    tables.publish(describe(seconds, interactions), "speed")


if __name__ == "__main__":
    startup.run(main)
