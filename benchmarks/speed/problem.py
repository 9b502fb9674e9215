"""What benchmarks of speed share: interactions, training without a folder, times, memory."""

import dataclasses
import gzip
import timeit
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from symcere_jax.data import Histories
from symcere_jax.errors import DataError
from symcere_jax.graph import Adjacency, bipartite_graph, build_adjacency, propagate
from symcere_jax.models import ModelInputs, SymCERE
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.devices import distribute, replicate
from symcere_jax.training.objective import Objective
from symcere_jax.training.run import fit_batch_size
from symcere_jax.training.step import TrainState, build_optimizer, build_steps, initial_state
from symcere_jax.training.train_inputs import TrainInputs

DATA_HELP = "folder with train.txt.gz of the LightGCN benchmarks; default: a generated graph"
WIDTH, N_LAYERS = 64, 3  # of the embeddings and of message passing
BPR_BATCH = 2048

# What LightGCN trains: inner products, one sampled item, nothing taken out, no dropout.
LIGHTGCN: dict[str, Any] = {
    "ranking_loss": "bpr",
    "false_negatives": "none",
    "normalize": False,
    "popularity_prior": False,
    "exclude_target": "none",
    "user_ranking_weight": 0.0,
    "temperature": 1.0,
    "dropout": 0.0,
    "parameter_average": 0.0,
}
# The defaults without text, as `models.resolve` would choose them for a large data set.
DEFAULTS: dict[str, Any] = {
    "experts": "graph",
    "text_encoder": "none",
    "embedding_dim": WIDTH,
    "n_layers": N_LAYERS,
    "embedding_learning_rate": 1e-3,
    "scalar_learning_rate": 1e-2,
    "exclude_target": "edge",
    "candidates": "sampled",
    "temperature": 0.1,
    "user_ranking_weight": 0.0,
}


def load_interactions(folder: str | None, n_generated: int) -> np.ndarray:
    """Interactions of `train.txt.gz`, or about as many generated ones; int32 `[n, 2]`."""
    if folder is None:
        return power_law_interactions(n_generated)
    path = Path(folder) / "train.txt.gz"
    try:
        with gzip.open(path, "rt") as file:  # a line is a user, then the user's items
            lists = [np.array(line.split(), np.int32) for line in file]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error})") from None
    users = np.repeat([numbers[0] for numbers in lists], [len(numbers) - 1 for numbers in lists])
    return np.stack([users, np.concatenate([numbers[1:] for numbers in lists])], axis=1)


def power_law_interactions(n: int) -> np.ndarray:
    """About `n` distinct pairs, int32 `[.., 2]`; popularity of users and items falls as a power."""
    rng = np.random.default_rng(0)
    n_users, n_items = max(n // 25, 2), max(n // 20, 2)
    users = (n_users * rng.random(n) ** 1.5).astype(np.int64)
    items = (n_items * rng.random(n) ** 2.5).astype(np.int64)
    pairs = np.unique(users * n_items + items)
    return np.stack(np.divmod(pairs, n_items), axis=1).astype(np.int32)


def message_passing(adjacency: Adjacency, states: np.ndarray) -> Callable[[], jax.Array]:
    """Message passing, forward and backward: the gradient of the sum of squares."""

    @jax.jit
    def gradient(adjacency: Adjacency, states: jax.Array) -> jax.Array:
        return jax.grad(lambda x: (propagate(adjacency, x, N_LAYERS) ** 2).sum())(states)

    states = jnp.asarray(states)
    return lambda: gradient(adjacency, states).block_until_ready()


def sizes(interactions: np.ndarray) -> tuple[int, int]:
    """Number of users and of items."""
    n_users, n_items = (int(row) + 1 for row in interactions.max(axis=0))
    return n_users, n_items


def graph(interactions: np.ndarray) -> jraph.GraphsTuple:
    """The graph of users and items."""
    return bipartite_graph(interactions, *sizes(interactions))


def train_inputs(interactions: np.ndarray) -> TrainInputs:
    """Graph and lists of int32 interactions `[n, 2]`, without text."""
    degrees = [jnp.asarray(np.bincount(interactions[:, column]), jnp.float32) for column in (0, 1)]
    adjacency = build_adjacency(graph(interactions))
    return TrainInputs(
        model=ModelInputs(adjacency, None, None, *degrees, *degrees),
        interactions=jnp.asarray(interactions),
        history=Histories.from_pairs(interactions, *sizes(interactions)),
    )


@dataclasses.dataclass(frozen=True)
class Training:
    """Training steps on a problem."""

    run: jax.stages.Wrapped  # the steps of a call, see `build_steps`
    arguments: Callable[[], tuple[Any, ...]]  # makes those of `run`, before the first step
    steps_per_epoch: int

    def start(self) -> Callable[[], TrainState]:
        """What takes the steps of a call, each time from where the last call ended."""
        state, *others = self.arguments()

        def advance() -> TrainState:
            nonlocal state
            state, _ = self.run(state, *others)
            return jax.block_until_ready(state)

        return advance


def build(
    inputs: TrainInputs,
    batch_size: int,
    n_steps: int,
    devices: Sequence[jax.Device] | None = None,
    **settings: Any,
) -> Training:
    """Training without text: `n_steps` a call, with the settings that differ from `DEFAULTS`."""
    chosen = ResolvedSettings(**{**DEFAULTS, "batch_size": batch_size, **settings})
    n_users, n_items = inputs.model.user_degree.shape[0], inputs.model.item_degree.shape[0]
    objective = Objective(SymCERE(n_users, n_items, chosen))
    n_devices = len(devices) if devices else jax.device_count()
    n_interactions = len(inputs.interactions)
    size, n_micro_batches = fit_batch_size(
        batch_size, chosen.micro_batch_size, n_interactions, n_devices
    )
    steps_per_epoch = -(-n_interactions // size)
    optimizer = build_optimizer(chosen, size)
    run = build_steps(
        objective,
        optimizer,
        chosen,
        batch_size=size,
        n_micro_batches=n_micro_batches,
        steps_per_epoch=-(-steps_per_epoch // n_steps) * n_steps,
        n_steps=n_steps,
        devices=devices,
    )

    def arguments() -> tuple[Any, ...]:
        state = initial_state(objective, optimizer, inputs, chosen)
        return distribute(state, chosen.embedding_dim), replicate(inputs), np.uint32(chosen.seed)

    return Training(run, arguments, steps_per_epoch)


def median_seconds(function: Callable[[], object], n_rounds: int) -> float:
    """Median time of a function, after one call to warm up."""
    function()
    return float(np.median(timeit.repeat(function, number=1, repeat=n_rounds)))


def medians(functions: Mapping[str, Callable[[], object]], n_rounds: int) -> dict[str, float]:
    """Median seconds of each function, which take turns, after one call each to warm up."""
    for function in functions.values():
        function()
    turns = [[timeit.timeit(f, number=1) for f in functions.values()] for _ in range(n_rounds)]
    return dict(zip(functions, np.median(turns, axis=0).tolist(), strict=True))


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


def propagation_bytes(adjacency: Adjacency) -> int:
    """What message passing, forward and backward, must move.

    A layer reads a row of floats for each directed edge, and the sum so far, and writes the next
    state.
    """
    rows = adjacency.n_edges + 3 * adjacency.n_nodes
    return 2 * N_LAYERS * rows * 4 * WIDTH
