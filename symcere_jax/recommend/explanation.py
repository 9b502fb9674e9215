"""Why an item is recommended: a score as the sum of what it comes from."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from symcere_jax.data import Interactions
from symcere_jax.models import Embeddings, score_block
from symcere_jax.models.fold_in import FoldIn


class ScoredItem(NamedTuple):
    """An item and its score.

    Attributes:
        item_id: external id.
        score: what it is ranked by; comparable within one ranking.
    """

    item_id: str
    score: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A score, taken apart exactly: it is the sum of all parts.

    A user's embedding is a sum over the items of the history and the user's own features, and a
    score is linear in it, so that each has a share that can be named. What an item of the history
    adds as a neighbour is part of its share.

    Attributes:
        user_id: external id.
        item_id: external id.
        score: of the user for the item.
        history: items that the user interacted with in training, with their shares of the score,
            the largest first.
        own: share of the user's own reviews and learned features.
        popularity: share of the item's popularity.
    """

    user_id: str
    item_id: str
    score: float
    history: list[ScoredItem]
    own: float
    popularity: float


class ScoreParts(NamedTuple):
    """What a score is the sum of.

    Attributes:
        score: of a user for an item.
        shares: float64 `[n]`, of each item of the user's history.
        own: share of the user's own reviews and learned features.
        popularity: share of the item's popularity.
    """

    score: float
    shares: np.ndarray
    own: float
    popularity: float


def take_apart(
    embeddings: Embeddings, fold_in: FoldIn, history: np.ndarray, user: int, item: int
) -> ScoreParts:
    """The parts of a score.

    Args:
        embeddings: of the model.
        fold_in: what the model leaves.
        history: int `[n]`, training items of the user.
        user: row of the user.
        item: row of the item.
    """
    score = float(_one_score(embeddings, np.int32(user), np.int32(item)))
    popularity = float(embeddings.item_bias[item])
    shares = np.zeros(len(history))
    model, norm = fold_in.model, fold_in.user_norms[user]
    if model.config.n_layers and norm > 0:
        weights = fold_in.edge_weights(Interactions.from_rows([history]))
        similar = fold_in.messages[history] @ np.asarray(embeddings.items[item])
        temperature = model.temperature_of(fold_in.params)
        shares = weights * similar / ((model.config.n_layers + 1) * norm * temperature)
    if fold_in.neighbors is not None and len(history):
        shares = shares + fold_in.neighbors.shares(history, item)
    return ScoreParts(score, shares, score - popularity - float(shares.sum()), popularity)


@jax.jit
def _one_score(embeddings: Embeddings, user: jax.Array, item: jax.Array) -> jax.Array:
    return score_block(embeddings, user[None])[0, item]
