"""A score as the exact sum of its parts.

The embedding of a user is a sum over the items of the history and the user's own features, and the
score of an expert is linear in it:

    s_ui = Σ_{j ∈ I_u} M_j · ẑ_i / (sqrt(n_u n_j) (L + 1) ‖z_u‖ τ)     what item j sends to the user
           + x_u · ẑ_i / ((L + 1) ‖z_u‖ τ)                             the user's own features
           + β log(1 + n_i)                                            the popularity prior

with the messages `M = Σ_{l<L} A^l X` of `FoldIn`. The score of a mixture is the weighted sum of
those of its experts, of `1/|I_u| Σ_{j ∈ I_u} k(i, j)` (j as a neighbor of i), and of popularity.
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from symcere_jax.data import Interactions
from symcere_jax.graph import propagate
from symcere_jax.models.mixture import Mixture
from symcere_jax.models.model_inputs import ModelInputs
from symcere_jax.models.scores import Embeddings, score_block
from symcere_jax.models.symcere import NODE_PARAMS, SymCERE
from symcere_jax.settings import NEIGHBORS


@dataclasses.dataclass(frozen=True)
class ScoreParts:
    """`score = Σ messages + Σ neighbors + own + popularity`."""

    score: float
    messages: np.ndarray  # float64 `[n]`, by message passing from each item of the user's history
    neighbors: np.ndarray  # float64 `[n]`, of each item of the history as a neighbor of the item
    own: float  # of the user's own reviews and learned embedding
    popularity: float

    @property
    def history(self) -> np.ndarray:
        """All that each item of the history adds, float64 `[n]`."""
        return self.messages + self.neighbors


def decompose_score(
    embeddings: Embeddings, mixture: Mixture, history: np.ndarray, user: int, item: int
) -> ScoreParts:
    """The parts of a score.

    Args:
        embeddings: of the model.
        mixture: of the same model.
        history: int `[n]`, positive training items of the user.
        user: row of the user.
        item: row of the item.
    """
    score = float(_score(embeddings, np.int32(user), np.int32(item)))
    popularity = float(embeddings.item_bias[item])
    messages, neighbors = np.zeros(len(history)), np.zeros(len(history))
    columns = np.asarray(embeddings.items[item], np.float64)
    for name, expert in mixture.experts.items():
        own_columns, columns = np.split(columns, [expert.dim])
        n_layers, norm = expert.model.settings.n_layers, expert.user_norms[user]
        if n_layers and norm > 0:
            weights = expert.edge_weights(Interactions.from_rows([history]))
            scale = mixture.shares[name].users / expert.model.settings.temperature
            similar = expert.messages[history] @ own_columns
            messages += scale * weights * similar / ((n_layers + 1) * norm)
    if NEIGHBORS in mixture.neighbors:
        weight = mixture.shares[NEIGHBORS].weight
        neighbors = weight * mixture.neighbors[NEIGHBORS].shares(history, item)
    own = score - popularity - float(messages.sum() + neighbors.sum())
    return ScoreParts(score, messages, neighbors, own, popularity)


def graph_messages(model: SymCERE, params: Any, inputs: ModelInputs) -> np.ndarray:
    """The graph tower's share of `FoldIn.messages`, float32 `[n_items, dim]`."""
    n_layers = model.settings.n_layers
    if not n_layers or not model.settings.graph_embeddings:
        return np.zeros((model.n_items, model.settings.embedding_dim), np.float32)
    features = params[NODE_PARAMS]["embedding"]
    passed = jax.jit(propagate, static_argnums=2)(inputs.adjacency, features, n_layers - 1)
    return n_layers * np.asarray(passed[model.n_users :])


@jax.jit
def _score(embeddings: Embeddings, user: jax.Array, item: jax.Array) -> jax.Array:
    return score_block(embeddings, user[None])[0, item]
