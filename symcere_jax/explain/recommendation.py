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
    """What an item of the user's history adds to the score."""

    item_id: str
    graph: float  # by the graph embeddings that message passing brings from it
    text: float  # by the texts
    nearness: float  # as a neighbor of the recommended item (see models/word_neighbors.py)

    @property
    def total(self) -> float:
        """All that the item adds."""
        return self.graph + self.text + self.nearness


@dataclasses.dataclass(frozen=True)
class RecommendationExplanation:
    """A score as an exact sum, `Σ_history (graph + text + nearness) + own + popularity`."""

    user_id: str
    item_id: str
    score: float
    rank: int  # among the items that the user has not interacted with in any split, from 1
    history: list[HistoryItem]  # training items, the largest contribution by size first
    own: float  # what the user's own reviews and learned embedding add
    popularity: float  # the popularity prior of the item
    by_user: list[ReviewExplanation]  # by their cosine with the item's embedding
    about_item: list[ReviewExplanation]  # by their cosine with the user's embedding


def explain_recommendation(
    trained: TrainedModel,
    dataset: ReviewDataset,
    user: int,
    item: int | None = None,
    *,
    n_reviews: int = 3,
    lime: LimeSettings = DEFAULT_LIME,
) -> RecommendationExplanation:
    """Decomposes a score, and finds the words of training reviews that support it.

    Args:
        trained: the model.
        dataset: the prepared folder that it was trained on.
        user: row of the user.
        item: row of the item; None: the best one that is new to the user.
        n_reviews: reviews by the user, and of the item, to explain, the most similar ones; with 0,
            the model may be one without text.
        lime: settings of the explanations of reviews.

    Raises:
        ConfigError: reviews are asked for, and the model has no text.
        DataError: the user has interacted with every item, and none is named.
    """
    embeddings = trained.embeddings
    user_ids, item_ids = dataset.user_ids(), dataset.item_ids()
    scores = np.asarray(score_block(embeddings, jnp.array([user]))[0])
    splits = [dataset.interactions(split) for split in schema.SPLITS]
    known = np.unique(np.concatenate([pairs[pairs[:, 0] == user, 1] for pairs in splits]))
    new = np.delete(np.arange(len(scores)), known)
    if item is None and not len(new):
        raise DataError(
            f"user {str(user_ids[user])!r} has interacted with every item: there is none to "
            "recommend; name the item to explain"
        )
    item = int(new[scores[new].argmax()]) if item is None else item
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
    by_user: list[ReviewExplanation] = []
    about_item: list[ReviewExplanation] = []
    if n_reviews:
        aligner = Aligner.from_model("model", trained, dataset, "fused")
        table = dataset.reviews(["user", "item", "split", "text"])
        is_train = table["split"].to_numpy() == "train"

        def nearest(column: str, row: int, target: np.ndarray) -> list[ReviewExplanation]:
            """Explains the training reviews of a user or item that are most like an embedding."""
            rows = np.flatnonzero(is_train & (table[column].to_numpy() == row))
            similarities = aligner.scorer(target)(table["text"].take(rows).to_pylist())
            best = rows[np.argsort(-similarities, kind="stable")[:n_reviews]].tolist()
            return explain_reviews(aligner, dataset, best, target, lime=lime)

        by_user = nearest("user", user, aligner.items[item])
        about_item = nearest("item", item, aligner.users[user])
    return RecommendationExplanation(
        user_id=str(user_ids[user]),
        item_id=str(item_ids[item]),
        score=parts.score,
        rank=1 + int((scores[new] > scores[item]).sum()),
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
