"""Why is this item recommended to this user: neighbours in the graph, and words of reviews."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.errors import DataError
from symcere_jax.explain.aligner import Aligner
from symcere_jax.explain.lime_words import WordContributions, explain_words
from symcere_jax.graph import propagate
from symcere_jax.models import NODE_PARAMS, normalize_rows, score_block
from symcere_jax.training import TrainedModel

NodeKind = Literal["user", "item"]


@dataclasses.dataclass(frozen=True)
class Neighbor:
    """A node whose features messages brought to the user.

    Attributes:
        kind: "user" or "item".
        row: of the user or item.
        steps: length of the shortest path from the user; 0 for the user.
        graph: what its graph embedding adds to the score.
        text: what its text adds to the score.
        nearness: what an item of the user adds as a neighbour of the item (see
            `models/item_neighbors.py`).
    """

    kind: NodeKind
    row: int
    steps: int
    graph: float
    text: float
    nearness: float = 0.0

    @property
    def total(self) -> float:
        """What the node adds to the score."""
        return self.graph + self.text + self.nearness


@dataclasses.dataclass(frozen=True)
class ReviewEvidence:
    """A training review, and which of its words speak for the recommendation.

    Attributes:
        row: of the review.
        user: row of its author.
        item: row of the item that it is about.
        words: of a review of the item: their contributions to its cosine with the user's embedding;
            of a review by the user: with the item's embedding.
    """

    row: int
    user: int
    item: int
    words: WordContributions


@dataclasses.dataclass(frozen=True)
class RecommendationExplanation:
    """A score, taken apart.

    `score = Σ_neighbors (graph + text + nearness) + popularity` holds exactly: message passing is
    linear.

    Attributes:
        user: row.
        item: row.
        score: as the model ranks by.
        rank: of the item among those that the user has not interacted with in any split, from 1.
        popularity: the popularity prior of the item.
        neighbors: every node that adds to the score, the largest by size first.
        by_user: reviews by the user.
        about_item: reviews of the item.
    """

    user: int
    item: int
    score: float
    rank: int
    popularity: float
    neighbors: list[Neighbor]
    by_user: list[ReviewEvidence]
    about_item: list[ReviewEvidence]


def explain_score(
    trained: TrainedModel, dataset: ReviewDataset, user: int, item: int
) -> RecommendationExplanation:
    """Takes a score apart into what each node of the graph adds to it; no reviews.

    With `z_u = Σ_j P_uj x_j`, `x_j = e_j + f(r_j)` and ẑ_i of norm 1:

        score = Σ_j P_uj (e_j · ẑ_i + f(r_j) · ẑ_i) / (‖z_u‖ τ) + β log(1 + n_i)
                + w / τ · 1/|I_u| Σ_{j ∈ I_u} k(i, j)

    Args:
        trained: a model.
        dataset: the prepared folder that it was trained on.
        user: row of the user.
        item: row of the item.
    """
    model, inputs = trained.model, trained.inputs
    nodes, embeddings = trained.nodes(), trained.embeddings()
    n_users, n_nodes = dataset.n_users, dataset.n_users + dataset.n_items
    one_hot = jnp.zeros((n_nodes, 1), jnp.float32).at[user, 0].set(1)
    # P is symmetric: its row of the user is its column, which is what P makes of a one-hot vector.
    passed = jax.jit(propagate, static_argnums=2)(inputs.adjacency, one_hot, model.config.n_layers)
    weights = np.asarray(passed[:, 0], np.float64)
    features = np.asarray(nodes.features, np.float64)
    graph = np.zeros_like(features)
    if model.config.graph_embeddings:
        graph = np.asarray(trained.params[NODE_PARAMS]["embedding"], np.float64)
    target = nodes.fused[n_users + item]
    length = 1.0
    if model.config.normalize:
        target = normalize_rows(target)
        length = max(float(np.linalg.norm(np.asarray(nodes.fused[user], np.float64))), 1e-12)
    direction = np.asarray(target, np.float64) / (length * model.temperature_of(trained.params))
    graph_parts = weights * (graph @ direction)
    text_parts = weights * ((features - graph) @ direction)
    near_parts = np.zeros(n_nodes)
    if trained.neighbors is not None:
        own = trained.items.flat(np.array([user]))[1]
        near_parts[n_users + own] = trained.neighbors.shares(own, item)
    edges = dataset.train[dataset.is_positive(model.config.min_rating)]
    steps = _steps(edges, n_users, n_nodes, user, model.config.n_layers)
    order = np.argsort(-np.abs(graph_parts + text_parts + near_parts), kind="stable")
    adds = (weights != 0) | (near_parts != 0)
    neighbors = [
        Neighbor(
            kind="user" if node < n_users else "item",
            row=node if node < n_users else node - n_users,
            steps=int(steps[node]),
            graph=float(graph_parts[node]),
            text=float(text_parts[node]),
            nearness=float(near_parts[node]),
        )
        for node in order[adds[order]].tolist()
    ]
    scores = np.asarray(score_block(embeddings, jnp.array([user]))[0])
    others = np.delete(scores, _known_items(dataset, user))
    return RecommendationExplanation(
        user=user,
        item=item,
        score=float(scores[item]),
        rank=1 + int((others > scores[item]).sum()),
        popularity=float(embeddings.item_bias[item]),
        neighbors=neighbors,
        by_user=[],
        about_item=[],
    )


def best_new_item(trained: TrainedModel, dataset: ReviewDataset, user: int) -> int:
    """The item that is recommended to a user: the best one that they have not interacted with.

    Held-out interactions count too, as in `Recommender.recommend`.

    Args:
        trained: a model.
        dataset: the prepared folder that it was trained on.
        user: row of the user.

    Returns:
        Row of the item.

    Raises:
        DataError: the user has interacted with every item.
    """
    embeddings = trained.embeddings()
    scores = np.array(score_block(embeddings, jnp.array([user]))[0])
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
    aligner: Aligner,
    user: int,
    item: int,
    *,
    n_reviews: int = 3,
    n_samples: int = 500,
    n_repeats: int = 3,
    seed: int = 0,
) -> RecommendationExplanation:
    """Takes a score apart, and finds the words of training reviews that speak for it.

    Args:
        trained: a model with text.
        dataset: the prepared folder that it was trained on.
        aligner: of the model, against the fused embeddings.
        user: row of the user.
        item: row of the item.
        n_reviews: reviews by the user, and of the item, those most similar first.
        n_samples: see `explain_words`.
        n_repeats: see `explain_words`.
        seed: see `explain_words`.
    """
    explanation = explain_score(trained, dataset, user, item)
    table = dataset.reviews(["user", "item", "split", "text"])
    is_train = table["split"].to_numpy() == "train"
    users, items = table["user"].to_numpy(), table["item"].to_numpy()

    def evidence(chosen: np.ndarray, target: np.ndarray) -> list[ReviewEvidence]:
        rows = np.flatnonzero(chosen & is_train)
        texts = table["text"].take(rows).to_pylist()
        score_texts = aligner.scorer(target)
        if not texts:
            return []
        best = np.argsort(-score_texts(texts), kind="stable")[:n_reviews].tolist()
        return [
            ReviewEvidence(
                row=int(rows[place]),
                user=int(users[rows[place]]),
                item=int(items[rows[place]]),
                words=explain_words(
                    texts[place], score_texts, n_samples=n_samples, n_repeats=n_repeats, seed=seed
                ),
            )
            for place in best
        ]

    return dataclasses.replace(
        explanation,
        by_user=evidence(users == user, aligner.items[item]),
        about_item=evidence(items == item, aligner.users[user]),
    )


def _known_items(dataset: ReviewDataset, user: int) -> np.ndarray:
    """Rows of the items that a user has interacted with in any split, int `[n]`, distinct."""
    splits = [dataset.interactions(split) for split in schema.SPLITS]
    return np.unique(np.concatenate([pairs[pairs[:, 0] == user, 1] for pairs in splits]))


def _steps(edges: np.ndarray, n_users: int, n_nodes: int, user: int, n_layers: int) -> np.ndarray:
    """Length of the shortest path from a user to each node, n_layers + 1 where it is longer.

    Args:
        edges: int `[n, 2]`, the interactions (user, item) that the graph has.
        n_users: number of users, whose nodes are the first.
        n_nodes: number of users and items.
        user: row of the user.
        n_layers: no path is longer.
    """
    users, items = edges.T
    steps = np.full(n_nodes, n_layers + 1)
    steps[user] = 0
    ends = (users, items + n_users)
    for step in range(1, n_layers + 1):
        near, far = ends if step % 2 else ends[::-1]
        found = far[steps[near] == step - 1]
        steps[found] = np.minimum(steps[found], step)
    return steps
