"""A small graph with text, and the model on it in dense float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.graph import bipartite_graph, build_adjacency
from symcere_jax.models import ModelInputs, SymCERE
from symcere_jax.settings import ResolvedSettings
from tests.graph.graphs import Case

N_USERS, N_ITEMS, WIDTH = 7, 5, 4
# User 6 and item 4 are isolated; user 5 and item 3 know only each other.
PAIRS = np.int32(
    [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 2), (3, 0), (4, 1), (4, 2), (5, 3)]
)


def unit_text(n: int, width: int = WIDTH) -> np.ndarray:
    """Random text features of norm 1; the last two rows have none."""
    text = np.random.default_rng(n).standard_normal((n, width)).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    text[-2:] = 0
    return text


def build(**settings) -> tuple[SymCERE, ModelInputs]:
    """The model of some settings, and its inputs on the small graph.

    By default there is text, and messages are passed by the method that compiles faster.
    """
    defaults = {"experts": "aligned", "text_encoder": "lsa", "embedding_dim": WIDTH}
    defaults |= {"temperature": 0.1, "candidates": "catalog", "exclude_target": "none"}
    defaults |= {"user_ranking_weight": 0.0, "batch_size": 4, "embedding_learning_rate": 1e-3}
    defaults |= {"scalar_learning_rate": 1e-2, "propagation": "segment"}
    resolved = ResolvedSettings(**(defaults | settings))
    with_text = resolved.text_encoder != "none"
    graph = bipartite_graph(PAIRS, N_USERS, N_ITEMS)
    inputs = ModelInputs(
        build_adjacency(graph, resolved.propagation),
        jnp.asarray(unit_text(N_USERS)) if with_text else None,
        jnp.asarray(unit_text(N_ITEMS)) if with_text else None,
        *2
        * (
            jnp.float32(np.bincount(PAIRS[:, 0], minlength=N_USERS)),
            jnp.float32(np.bincount(PAIRS[:, 1], minlength=N_ITEMS)),
        ),
    )
    return SymCERE(N_USERS, N_ITEMS, resolved), inputs


def initial_params(model: SymCERE, inputs: ModelInputs):
    """Parameters where learning starts; compiled, so that no messages are passed."""
    return jax.jit(model.init)(jax.random.key(0), inputs)["params"]


def random_params(model: SymCERE, inputs: ModelInputs):
    """Parameters as if training had moved all of them."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.float32(rng.standard_normal(leaf.shape)), shapes)


def dense_adjacency() -> np.ndarray:
    """The normalized adjacency of users, then items, float64 `[n_nodes, n_nodes]`."""
    return Case(PAIRS, N_USERS, N_ITEMS).dense()


def dense_propagate(adjacency: np.ndarray, x: np.ndarray, n_layers: int) -> np.ndarray:
    """Mean of A^l x over l = 0 … n_layers."""
    powers = [np.linalg.matrix_power(adjacency, layer) @ x for layer in range(n_layers + 1)]
    return np.mean(powers, axis=0)


def dense_towers(params, inputs: ModelInputs) -> dict[str, np.ndarray]:
    """Features that each tower gives to users, then items, float64."""
    towers = {}
    if "graph_tower" in params:
        towers["graph"] = np.asarray(params["graph_tower"]["embedding"], float)
    if "text_tower" in params:
        tower = params["text_tower"]
        users = np.exp(float(tower["log_user_weight"])) * np.asarray(inputs.user_text, float)
        items = np.exp(float(tower["log_item_weight"])) * np.asarray(inputs.item_text, float)
        kernel = np.asarray(tower["projection"]["kernel"], float)
        towers["text"] = np.concatenate([users, items]) @ kernel
    return towers


def dense_normalize(x: np.ndarray) -> np.ndarray:
    """Rows of norm 1; rows of zeros stay."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)


def dense_scores(params, model: SymCERE, inputs: ModelInputs) -> np.ndarray:
    """Scores of every user for every item, float64 `[n_users, n_items]`."""
    towers = dense_towers(params, inputs)
    z = dense_propagate(dense_adjacency(), sum(towers.values()), model.settings.n_layers)
    if model.settings.normalize:
        z = dense_normalize(z)
    scores = z[:N_USERS] @ z[N_USERS:].T / model.settings.temperature
    n_interactions = np.array([(PAIRS[:, 1] == item).sum() for item in range(N_ITEMS)])
    return scores + float(params.get("popularity_weight", 0.0)) * np.log(1 + n_interactions)
