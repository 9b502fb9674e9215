"""Why is this item recommended to this user: items of the history, and words of reviews."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.explain.aligner import Aligner, ReviewExplanation, explain_reviews
from symcere_jax.explain.lime_words import DEFAULT_LIME, LimeSettings
from symcere_jax.models import score_block
from symcere_jax.models.decomposition import decompose_score, graph_messages
from symcere_jax.training import TrainedModel


@dataclasses.dataclass(frozen=True)
class HistoryItem:
    """What an item of the user's history adds to the score.

    Attributes:
        graph: by the graph embeddings that message passing brings from it.
        text: by the texts.
        nearness: as a neighbor of the recommended item (see `models/item_neighbors.py`).
    """

    item_id: str
    graph: float
    text: float
    nearness: float

    @property
    def total(self) -> float:
        """All that the item adds."""
        return self.graph + self.text + self.nearness


@dataclasses.dataclass(frozen=True)
class RecommendationExplanation:
    """A score as an exact sum, `Σ_history (graph + text + nearness) + own + popularity`.

    Attributes:
        score: as the model ranks by.
        rank: of the item among those that the user has not interacted with in any split, from 1.
        history: the user's training items, the largest contribution by size first.
        own: what the user's own reviews and learned embedding add.
        popularity: the popularity prior of the item.
        by_user: training reviews by the user; words by their cosine with the item's embedding.
        about_item: training reviews of the item; words by their cosine with the user's embedding.
    """

    user_id: str
    item_id: str
    score: float
    rank: int
    history: list[HistoryItem]
    own: float
    popularity: float
    by_user: list[ReviewExplanation]
    about_item: list[ReviewExplanation]


def best_new_item(trained: TrainedModel, dataset: ReviewDataset, user: int) -> int:
    """Row of the best item that a user has not interacted with in any split.

    Raises:
        DataError: the user has interacted with every item.
    """
    scores = np.array(score_block(trained.embeddings, jnp.array([user]))[0])
    known = _known_items(dataset, user)
    if len(known) == len(scores):
        raise DataError(
            f"user {str(dataset.user_ids()[user])!r} has interacted with every item: there is none "
            "to recommend; name the item to explain"
        )
    scores[known] = -np.inf
    return int(scores.argmax())


def explain_recommendation(
    trained: TrainedModel,
    dataset: ReviewDataset,
    user: int,
    item: int,
    *,
    n_reviews: int = 3,
    lime: LimeSettings = DEFAULT_LIME,
) -> RecommendationExplanation:
    """Decomposes a score, and finds the words of training reviews that speak for it.

    These are the `n_reviews` by the user, and of the item, that are most similar; with 0, the model
    may be one without text.

    Raises:
        ConfigError: reviews are asked for, and the model has no text.
    """
    embeddings = trained.embeddings
    user_ids, item_ids = dataset.user_ids(), dataset.item_ids()
    history = trained.items.flat(np.array([user]))[1]
    mixture = trained.mixture
    parts = decompose_score(embeddings, mixture, history, user, item)
    # A score is linear in the messages.
    from_graph = {
        name: dataclasses.replace(
            mixture.experts[name],
            messages=graph_messages(expert.model, expert.params, expert.inputs),
        )
        for name, expert in trained.experts.items()
    }
    graph_alone = dataclasses.replace(mixture, experts=from_graph)
    graph = decompose_score(embeddings, graph_alone, history, user, item).messages
    scores = np.asarray(score_block(embeddings, jnp.array([user]))[0])
    others = np.delete(scores, _known_items(dataset, user))
    by_user: list[ReviewExplanation] = []
    about_item: list[ReviewExplanation] = []
    if n_reviews:
        aligner = Aligner.from_model("model", trained, dataset, "fused")
        table = dataset.reviews(["user", "item", "split", "text"])
        is_train = table["split"].to_numpy() == "train"
        rows = np.flatnonzero(is_train & (table["user"].to_numpy() == user))
        by_user = _explain_nearest(aligner, dataset, rows, aligner.items[item], n_reviews, lime)
        rows = np.flatnonzero(is_train & (table["item"].to_numpy() == item))
        about_item = _explain_nearest(aligner, dataset, rows, aligner.users[user], n_reviews, lime)
    return RecommendationExplanation(
        user_id=str(user_ids[user]),
        item_id=str(item_ids[item]),
        score=parts.score,
        rank=1 + int((others > scores[item]).sum()),
        history=[
            HistoryItem(
                item_id=str(item_ids[history[row]]),
                graph=float(graph[row]),
                text=float(parts.messages[row] - graph[row]),
                nearness=float(parts.neighbors[row]),
            )
            for row in np.argsort(-np.abs(parts.history), kind="stable").tolist()
        ],
        own=parts.own,
        popularity=parts.popularity,
        by_user=by_user,
        about_item=about_item,
    )


def _explain_nearest(
    aligner: Aligner,
    dataset: ReviewDataset,
    rows: np.ndarray,
    target: np.ndarray,
    n: int,
    lime: LimeSettings,
) -> list[ReviewExplanation]:
    """Explains the n reviews that are most similar to an embedding, those first."""
    texts = dataset.reviews(["text"])["text"].take(rows).to_pylist()
    similarities = aligner.scorer(target)(texts)
    nearest = rows[np.argsort(-similarities, kind="stable")[:n]].tolist()
    return explain_reviews(aligner, dataset, nearest, target, lime=lime)


def _known_items(dataset: ReviewDataset, user: int) -> np.ndarray:
    """Rows of the items that a user has interacted with in any split, int `[n]`, distinct."""
    splits = [dataset.interactions(split) for split in schema.SPLITS]
    return np.unique(np.concatenate([pairs[pairs[:, 0] == user, 1] for pairs in splits]))
