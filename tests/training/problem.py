"""A problem small enough for loops.

Also imported on its own, by processes with other numbers of devices.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data import Histories
from symcere_jax.graph import bipartite_graph, build_adjacency
from symcere_jax.models import ModelInputs, SymCERE
from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.devices import collect, distribute, map_devices
from symcere_jax.training.objective import Objective
from symcere_jax.training.train_inputs import TrainInputs

N_USERS, N_ITEMS, TEXT_WIDTH, DIM, N_LAYERS = 6, 7, 3, 4, 2
# User 5 has written nothing and nobody likes item 6.
PAIRS = np.array(
    [[0, 0], [0, 1], [0, 2], [1, 0], [1, 3], [2, 1], [2, 3], [2, 4], [3, 0], [3, 5], [4, 2]],
    np.int32,
)
# Pairs that are no positives, but in the histories.
LOW_RATED = np.array([[1, 5], [2, 0], [2, 6], [3, 1]], np.int32)
# Rows of `PAIRS`: users and items repeat, pairs too; a multiple of 8 devices.
BATCH = np.array([0, 1, 3, 8, 5, 6, 9, 1], np.int32)

ONLY_RANKING = {"user_ranking_weight": 0.0, "cross_modal_weight": 0.0, "intra_modal_weight": 0.0}


def resolved(**settings: Any) -> ResolvedSettings:
    """Every term is on; no dropout, which loops could not follow."""
    every = {
        "experts": "aligned",
        "embedding_dim": DIM,
        "n_layers": N_LAYERS,
        "text_encoder": "toy",
        "propagation": "segment",
        "candidates": "catalog",
        "sampled_candidates": 4,
        "dropout": 0.0,
        "temperature": 0.4,
        "batch_size": len(BATCH),
        "embedding_learning_rate": 1e-3,
        "scalar_learning_rate": 1e-2,
        "min_rating": 3.0,
        "exclude_target": "review",
        "cross_modal_weight": 0.3,
        "user_ranking_weight": 0.7,
        "intra_modal_weight": 0.2,
    }
    return ResolvedSettings(**{**every, **settings})


def inputs() -> TrainInputs:
    """Graph, text features, interactions and their reviews, one of which has no text."""
    rng = np.random.default_rng(1)
    degrees, n_reviews = (
        [
            np.bincount(pairs[:, column], minlength=n).astype(np.float32)
            for column, n in enumerate((N_USERS, N_ITEMS))
        ]
        for pairs in (PAIRS, np.concatenate([PAIRS, LOW_RATED]))
    )
    text = [rng.standard_normal((n, TEXT_WIDTH)).astype(np.float32) for n in (N_USERS, N_ITEMS)]
    adjacency = build_adjacency(bipartite_graph(PAIRS, N_USERS, N_ITEMS), "segment")
    reviews = rng.standard_normal((len(PAIRS), TEXT_WIDTH))
    reviews /= np.linalg.norm(reviews, axis=1, keepdims=True)
    reviews[3] = 0
    return TrainInputs(
        model=ModelInputs(adjacency, *text, *degrees, *n_reviews),
        interactions=PAIRS,
        history=Histories.from_pairs(np.concatenate([PAIRS, LOW_RATED]), N_USERS, N_ITEMS),
        review_text=reviews.astype(np.float16),
    )


def params(model: SymCERE) -> dict:
    """Parameters far from where learning starts, so that no gradient is zero by chance."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs().model)["params"]
    rng = np.random.default_rng(2)
    return jax.tree.map(lambda leaf: rng.normal(0.3, 0.6, leaf.shape).astype(np.float32), shapes)


def objective(settings: ResolvedSettings) -> Objective:
    """The objective of the problem's model."""
    return Objective(SymCERE(N_USERS, N_ITEMS, settings))


def loss_and_gradients(
    objective: Objective,
    params: dict,
    rows: np.ndarray = BATCH,
    key: int = 0,
    n_micro_batches: int = 1,
) -> tuple[dict[str, float], dict]:
    """Each term and the gradients of the total, over all devices of this process."""
    n_devices = jax.local_device_count()

    def run(params: dict, inputs: TrainInputs) -> tuple[dict, dict]:
        return objective.gradients(
            params, inputs, jnp.asarray(rows), jax.random.key(key), n_devices, n_micro_batches
        )

    gradients, terms = map_devices(run, (0, None))(distribute(params, DIM), inputs())
    gradients = jax.tree.map(np.asarray, collect(gradients, DIM))
    return {name: float(values[0]) for name, values in terms.items()}, gradients


def terms_and_gradients(n_micro_batches: int = 1, **settings: Any) -> dict[str, np.ndarray]:
    """Each term by name, and the gradient of each parameter by its path."""
    its_objective = objective(resolved(**settings))
    terms, gradients = loss_and_gradients(
        its_objective, params(its_objective.model), n_micro_batches=n_micro_batches
    )
    leaves = jax.tree_util.tree_leaves_with_path(gradients)
    by_path = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    return {name: np.asarray(value) for name, value in terms.items()} | by_path
