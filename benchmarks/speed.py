r"""Message passing, training step, epoch and evaluation beside other libraries, on the same data.

  python benchmarks/speed.py --data=DIR --update=docs/speed.md

DIR holds train.txt.gz of the LightGCN benchmarks; without it a power-law graph is generated. The
others run where they are installed: torch (COO is what LightGCN-PyTorch and RecBole run, CSR is its
fastest sparse product) and LightGCN of PyTorch Geometric.

Message passing is three layers, forward and backward, as benchmarks/propagation.py has it in more
detail; beside it stands what it must move over the bandwidth of a copy, more than 100 % where
embeddings come from the caches. A step is LightGCN's: three layers, BPR with one sampled item,
Adam, over the same batch size. An epoch of the others is their step, times the steps that it takes
them; ours is measured, with the batch that the defaults choose, in which one message passing serves
many micro-batches of a sampled softmax. Evaluation ranks all items for each user, leaving out those
of training. Sides take turns and times are medians; peak memory is that of a process of its own,
above what it had when its data was loaded.
"""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import tables
import training_problem
from absl import flags
from graphs import power_law_interactions, read_interactions
from message_passing import geometric_method, jax_method, normalised, torch_method
from timing import copy_bandwidth, propagation_bytes

from symcere_jax.cli import app as cli
from symcere_jax.data.interactions import Interactions
from symcere_jax.evaluation.ranking import top_k
from symcere_jax.graph import bipartite_graph, build_adjacency
from symcere_jax.models import Embeddings, score_factors
from symcere_jax.models.defaults import default_batch_size

_DATA = flags.DEFINE_string("data", None, "folder with train.txt.gz; default: a generated graph")
_SYNTHETIC = flags.DEFINE_integer(
    "synthetic_interactions", 1_000_000, "size of the generated graph", lower_bound=1
)
_DIM = flags.DEFINE_integer("embedding_dim", 64, "width of the embeddings", lower_bound=1)
_N_LAYERS = flags.DEFINE_integer("n_layers", 3, "number of hops", lower_bound=1)
_BATCH = flags.DEFINE_integer("batch_size", 2048, "interactions of a BPR step", lower_bound=1)
_K = flags.DEFINE_integer("k", 20, "ranks of the evaluation", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "number of turns", lower_bound=1)
_UPDATE = flags.DEFINE_string("update", None, "Markdown file whose table is replaced")
_MEMORY_OF = flags.DEFINE_string("memory_of", None, "internal: print the peak memory of a case")

STEPS_PER_CALL = 32  # of ours: training runs up to 500 in a call, which draws the order once
OURS = "symcere_jax"
USERS_AT_ONCE = 256


def ours(interactions: np.ndarray, **settings: object) -> Callable[[int], Callable[[], None]]:
    """Training steps; `batch_size -> run`."""
    inputs = training_problem.train_inputs(interactions)

    def build(batch_size: int) -> Callable[[], None]:
        state, steps, _ = training_problem.training(
            inputs,
            batch_size,
            STEPS_PER_CALL,
            embedding_dim=_DIM.value,
            n_layers=_N_LAYERS.value,
            **settings,
        )
        held = [state]

        def run() -> None:
            held[0] = steps(held[0])

        return run

    return build


def our_ranking(users: np.ndarray, items: np.ndarray, seen: Interactions) -> Callable:
    """Ranks every user by `evaluation.top_k`."""
    embeddings = Embeddings(users, items, np.zeros(len(items), np.float32))
    rows = np.arange(len(users))
    return lambda: top_k(score_factors, embeddings.factors(), rows, seen, len(items), _K.value)[0]


def torch_step(interactions: np.ndarray, layout: str) -> Callable[[], object]:
    """LightGCN by torch's sparse product, as LightGCN-PyTorch has it."""
    import torch

    torch.sparse.check_sparse_tensor_invariants.disable()
    users, items = map(torch.from_numpy, interactions.astype(np.int64).T)
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    n_nodes = n_users + n_items
    ends = torch.stack([torch.cat([users, items + n_users]), torch.cat([items + n_users, users])])
    degree = torch.bincount(ends[0], minlength=n_nodes).clamp(min=1).float()
    weights = (degree[ends[0]] * degree[ends[1]]).rsqrt()
    matrix = torch.sparse_coo_tensor(ends, weights, (n_nodes, n_nodes)).coalesce()
    if layout == "CSR":
        matrix = matrix.to_sparse_csr()
    table = torch.nn.Parameter(0.1 * torch.randn(n_nodes, _DIM.value))
    adam = torch.optim.Adam([table], lr=1e-3)

    def step() -> object:
        total = state = table
        for _ in range(_N_LAYERS.value):
            state = torch.sparse.mm(matrix, state)
            total = total + state
        nodes = total / (_N_LAYERS.value + 1)
        rows = torch.randint(len(users), (_BATCH.value,))
        negatives = torch.randint(n_items, (_BATCH.value,))
        anchors = nodes[users[rows]]
        positive = (anchors * nodes[n_users + items[rows]]).sum(1)
        negative = (anchors * nodes[n_users + negatives]).sum(1)
        loss = torch.nn.functional.softplus(negative - positive).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return step


def geometric_step(interactions: np.ndarray) -> Callable[[], object]:
    """LightGCN as PyTorch Geometric ships it."""
    import torch
    from torch_geometric.nn import LightGCN

    users, items = map(torch.from_numpy, interactions.astype(np.int64).T)
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    items = items + n_users
    edges = torch.stack([torch.cat([users, items]), torch.cat([items, users])])
    model = LightGCN(n_users + n_items, _DIM.value, _N_LAYERS.value)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> object:
        rows = torch.randint(len(users), (_BATCH.value,))
        negatives = n_users + torch.randint(n_items, (_BATCH.value,))
        anchors = users[rows]
        pairs = torch.stack([torch.cat([anchors, anchors]), torch.cat([items[rows], negatives])])
        positive, negative = model(edges, pairs).chunk(2)
        loss = model.recommendation_loss(positive, negative, node_id=pairs.unique(), lambda_reg=0.0)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return step


def torch_ranking(users: np.ndarray, items: np.ndarray, seen: Interactions) -> Callable:
    """Blocks of scores, −∞ where seen, and torch.topk: what LightGCN-PyTorch does."""
    import torch

    user_table, item_table = torch.from_numpy(users), torch.from_numpy(items)

    def rank() -> np.ndarray:
        found = np.empty((len(users), _K.value), np.int64)
        with torch.inference_mode():
            for start in range(0, len(users), USERS_AT_ONCE):
                block = np.arange(start, min(start + USERS_AT_ONCE, len(users)))
                scores = user_table[start : start + len(block)] @ item_table.T
                rows, columns = seen.flat(block)
                scores[torch.from_numpy(rows), torch.from_numpy(columns).long()] = -torch.inf
                found[block] = torch.topk(scores, _K.value).indices.numpy()
        return found

    return rank


def cases(interactions: np.ndarray) -> dict[str, dict[str, Callable[[], Callable[[], object]]]]:
    """What is measured: case -> side -> what builds the function to time."""
    n_users, n_items = (int(n) + 1 for n in interactions.max(axis=0))
    rng = np.random.default_rng(0)
    tables_of = [rng.standard_normal((n, _DIM.value), np.float32) for n in (n_users, n_items)]
    seen = Interactions.from_pairs(interactions, n_users)
    graph = bipartite_graph(interactions, n_users, n_items)
    states = np.concatenate(tables_of)
    passing: dict[str, Callable[[], Callable[[], object]]] = {
        OURS: lambda: jax_method(build_adjacency(graph), states, _N_LAYERS.value).both
    }
    steps: dict[str, Callable[[], Callable[[], object]]] = {
        OURS: lambda: ours(interactions, **training_problem.LIGHTGCN)(_BATCH.value)
    }
    ranking: dict[str, Callable[[], Callable[[], object]]] = {
        OURS: lambda: our_ranking(*tables_of, seen)
    }
    if importlib.util.find_spec("torch"):
        for layout in ("COO", "CSR"):
            passing[f"torch {layout}"] = lambda layout=layout: (
                torch_method(normalised(graph), states, _N_LAYERS.value, layout).both
            )
            steps[f"torch {layout}"] = lambda layout=layout: torch_step(interactions, layout)
        ranking["torch.topk"] = lambda: torch_ranking(*tables_of, seen)
    if importlib.util.find_spec("torch_geometric"):
        passing["PyG LightGCN"] = lambda: (
            geometric_method(normalised(graph), states, _N_LAYERS.value).both
        )
        steps["PyG LightGCN"] = lambda: geometric_step(interactions)
    return {"passing": passing, "step": steps, "evaluation": ranking}


def medians(functions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each function, which take turns, after one call each to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def own_epoch(interactions: np.ndarray) -> float:
    """Seconds of an epoch with the default batch size, from some of its steps."""
    n = len(interactions)
    batch_size = default_batch_size(n)
    run = ours(interactions)(batch_size)
    return medians({OURS: run}, 2)[OURS] / STEPS_PER_CALL * -(-n // batch_size)


def peak_memory(case: str, side: str) -> float:
    """MiB of a side's work above its data, in a process of its own."""
    arguments = [name for name in sys.argv[1:] if not name.startswith("--update")]
    command = [sys.executable, __file__, *arguments, f"--memory_of={case}/{side}"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(found.splitlines()[-1])


def print_memory(interactions: np.ndarray, case: str, side: str) -> None:
    """What `peak_memory` reads; Linux alone can forget an earlier peak."""
    function = cases(interactions)[case][side]()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    function()
    print((_status("VmHWM") - before) / 1024)


def _status(name: str) -> int:
    """A line of this process's status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def describe(found: dict[str, dict[str, float]], interactions: np.ndarray, epoch: float) -> str:
    """Three tables in Markdown."""
    n_users, n_items = (int(n) + 1 for n in interactions.max(axis=0))
    device = jax.devices()[0].device_kind
    header = (
        f"{n_users:,} users, {n_items:,} items, {len(interactions):,} interactions, on {device}"
    )
    adjacency = build_adjacency(bipartite_graph(interactions, n_users, n_items))
    bound = propagation_bytes(adjacency, _DIM.value, _N_LAYERS.value) / copy_bandwidth()
    base = found["passing"][OURS]
    rows = [
        [name, f"{1000 * seconds:.0f}", f"{seconds / base:.1f}", f"{bound / seconds:.0%}"]
        for name, seconds in found["passing"].items()
    ]
    columns = ["message passing, forward and backward", "ms", "× ours", "of the copy bandwidth"]
    passing = tables.markdown(columns, rows)
    n_steps = -(-len(interactions) // _BATCH.value)
    base = found["step"][OURS] / STEPS_PER_CALL
    rows = []
    for name, seconds in found["step"].items():
        step = seconds / STEPS_PER_CALL if name == OURS else seconds
        memory = peak_memory("step", name)
        cells = [f"{1000 * step:.0f}", f"{step / base:.1f}", f"{step * n_steps:.0f}"]
        rows.append([name, *cells, f"{step * n_steps / epoch:.1f}", f"{memory:.0f}"])
    rows.append([f"{OURS}, defaults", "", "", f"{epoch:.0f}", "1.0", ""])
    columns = ["training", "ms a step", "× ours", "s an epoch", "× our defaults", "peak MiB"]
    training = tables.markdown(columns, rows)
    base = found["evaluation"][OURS]
    rows = [
        [name, f"{seconds:.2f}", f"{seconds / base:.1f}", f"{peak_memory('evaluation', name):.0f}"]
        for name, seconds in found["evaluation"].items()
    ]
    ranking = tables.markdown(["evaluation of all users", "s", "× ours", "peak MiB"], rows)
    return f"{header}.\n\n{passing}\n\n{training}\n\n{ranking}"


def main() -> None:
    """Measures and shows the tables."""
    if _DATA.value:
        interactions = read_interactions(Path(_DATA.value) / "train.txt.gz")
    else:
        interactions = power_law_interactions(_SYNTHETIC.value)
    if _MEMORY_OF.value:
        print_memory(interactions, *_MEMORY_OF.value.split("/", 1))
        return
    found = {}
    for case, sides in cases(interactions).items():
        found[case] = medians({name: build() for name, build in sides.items()}, _ROUNDS.value)
    text = describe(found, interactions, own_epoch(interactions))
    print(text)
    if _UPDATE.value:
        tables.replace(Path(_UPDATE.value), "speed", text)


if __name__ == "__main__":
    cli.run(main)
