"""The objective of the small problem, in float64 from the formulas."""

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from symcere_jax.settings import ResolvedSettings
from symcere_jax.training.objective.shuffling import shuffled
from tests.graph.graphs import Case
from tests.training.problem import BATCH, DIM, LOW_RATED, N_ITEMS, N_USERS, PAIRS, inputs

ADJACENCY = Case(PAIRS, N_USERS, N_ITEMS).dense()
WHOLE = slice(None)


def sampled_negatives(key: int = 0) -> np.ndarray:
    """The items that BPR draws for a batch."""
    _, negative_key = jax.random.split(jax.random.key(key))
    return np.asarray(jax.random.randint(negative_key, (len(BATCH),), 0, N_ITEMS))


def sampled_candidates(n: int, part: slice = WHOLE) -> list[int]:
    """The items that compete in a micro-batch, where they are drawn: the next n of a cycle."""
    sample_key = jax.random.fold_in(jax.random.split(jax.random.key(0))[1], 3)
    order = shuffled(sample_key, jnp.arange(N_ITEMS), N_ITEMS).tolist()
    n_before = n * (part.start // (part.stop - part.start)) if part.start else 0
    return [order[place % N_ITEMS] for place in range(n_before, n_before + n)]


@dataclasses.dataclass(frozen=True)
class Nodes:
    """Node embeddings in float64."""

    fused: np.ndarray
    walks: np.ndarray
    graph: np.ndarray
    text: np.ndarray


def embed(params: dict, settings: ResolvedSettings) -> Nodes:
    """Towers, then `P(X) = mean_l A^l X`, dense."""
    model = inputs().model
    zeros = np.zeros((N_USERS + N_ITEMS, DIM))
    graph = text = zeros
    if settings.graph_embeddings:
        graph = np.asarray(params["graph_tower"]["embedding"], np.float64)
    if settings.text_encoder != "none":
        tower = params["text_tower"]
        weighted = [
            np.exp(tower["log_user_weight"]) * model.user_text,
            np.exp(tower["log_item_weight"]) * model.item_text,
        ]
        text = np.concatenate(weighted).astype(np.float64) @ tower["projection"]["kernel"]
    n_layers = settings.n_layers
    powers = [np.linalg.matrix_power(ADJACENCY, layer) for layer in range(n_layers + 1)]
    mean = sum(powers) / (n_layers + 1)
    walks = sum(powers[:n_layers], start=np.zeros_like(powers[0])) @ (graph + text)
    return Nodes(mean @ (graph + text), walks, mean @ graph, mean @ text)


def terms(params: dict, settings: ResolvedSettings, part: slice = WHOLE) -> dict[str, float]:
    """Every term of the objective of a part of `BATCH`, and their sum, from the formulas."""
    nodes, loss = embed(params, settings), settings
    pairs = [tuple(pair) for pair in PAIRS[BATCH[part]].tolist()]
    known_pairs = PAIRS.tolist() + LOW_RATED.tolist()
    history = {user: {i for u, i in known_pairs if u == user} for user in range(N_USERS)}
    matrix, n_terms = ADJACENCY, settings.n_layers + 1
    has_graph = settings.graph_embeddings
    has_text = settings.text_encoder != "none"
    reviews = {
        tuple(pair): np.asarray(text, np.float64)
        for pair, text in zip(PAIRS.tolist(), inputs().review_text, strict=True)
    }
    temperature = loss.temperature

    def direction(vector: np.ndarray) -> np.ndarray:
        norm = math.sqrt(vector @ vector)
        return vector / norm if settings.normalize and norm > 0 else vector

    def project(text: np.ndarray, side: str) -> np.ndarray:
        tower = params["text_tower"]
        weight = np.exp(tower[f"log_{side}_weight"])
        return weight * text @ np.asarray(tower["projection"]["kernel"])

    def ends(user: int, item: int) -> tuple[np.ndarray, np.ndarray]:
        """Of an interaction, as if it were not there."""
        rows = (user, N_USERS + item)
        vectors = [nodes.fused[row] for row in rows]
        for column, side in enumerate(("user", "item")):
            if loss.exclude_target != "none":
                brought = matrix[rows] * nodes.walks[rows[1 - column]]
                vectors[column] = vectors[column] - brought / n_terms
            if loss.exclude_target == "review" and has_text:
                n_reviews = sum(pair[column] == (user, item)[column] for pair in known_pairs)
                share = reviews[user, item] / n_reviews
                vectors[column] = vectors[column] - project(share, side) / n_terms
        return direction(vectors[0]), direction(vectors[1])

    def popularity(count: int) -> float:
        if not settings.popularity_prior:
            return 0.0
        return float(params["popularity_weight"]) * math.log(1 + count)

    def similarity(user_vector: np.ndarray, item: int) -> float:
        return float(user_vector @ direction(nodes.fused[N_USERS + item])) / temperature

    def score(user: int, target: int, item: int) -> float:
        """Of an item, for a user whose interaction with `target` is being predicted."""
        count = int((PAIRS[:, 1] == item).sum())
        return similarity(ends(user, target)[0], item) + popularity(count)

    def agreement(user: int, item: int) -> float:
        """Of the two ends of an interaction."""
        user_vector, item_vector = ends(user, item)
        return float(user_vector @ item_vector) / temperature

    def positive_score(user: int, item: int) -> float:
        count = int((PAIRS[:, 1] == item).sum()) - (loss.exclude_target != "none")
        return agreement(user, item) + popularity(count)

    def negatives(place: int, candidates: int) -> list[int]:
        """Places of the batch whose users (0) or items (1) are negatives of a place."""
        user, item = pairs[place]
        return [
            other
            for other, (other_user, other_item) in enumerate(pairs)
            if not {
                "none": other == place,
                "same_item": pairs[other][candidates] == pairs[place][candidates],
                "history": (item in history[other_user])
                if candidates == 0
                else (other_item in history[user]),
            }[loss.false_negatives]
        ]

    def item_ranking() -> float:
        losses = []
        for place, (user, item) in enumerate(pairs):
            if loss.candidates in ("catalog", "sampled"):
                known = history[user] if loss.false_negatives == "history" else {item}
                drawn = list(range(N_ITEMS))
                if loss.candidates == "sampled":
                    drawn = sampled_candidates(loss.sampled_candidates, part)
                each = math.log(N_ITEMS / len(drawn))
                others = [score(user, item, j) + each for j in drawn if j not in known]
            else:
                others = [score(user, item, pairs[j][1]) for j in negatives(place, 1)]
            losses.append(sincere(positive_score(user, item), others))
        return float(np.mean(losses))

    def bpr() -> float:
        losses = []
        for (user, item), negative in zip(pairs, sampled_negatives()[part].tolist(), strict=True):
            known = history[user] if loss.false_negatives == "history" else {item}
            if negative not in known:
                difference = score(user, item, negative) - positive_score(user, item)
                losses.append(math.log1p(math.exp(difference)))
        return float(np.mean(losses))

    def user_ranking() -> float:
        losses = []
        for place, (user, item) in enumerate(pairs):
            others = [pairs[other] for other in negatives(place, 0)]
            scores = [similarity(ends(*other)[0], item) for other in others]
            losses.append(sincere(agreement(user, item), scores))
        return float(np.mean(losses))

    def cross_modal(column: int) -> float:
        compared = pairs[: loss.cross_modal_batch]
        labels = [pair[column] for pair in compared]
        graph = [direction(nodes.graph[column * N_USERS + label]) for label in labels]
        text = [direction(nodes.text[column * N_USERS + label]) for label in labels]
        views = {"graph_to_text": [(graph, text)], "text_to_graph": [(text, graph)]}
        views["both"] = views["graph_to_text"] + views["text_to_graph"]
        of_anchors = []
        for anchors, candidates in views[loss.cross_modal_direction]:
            for a, anchor in enumerate(anchors):
                logits = [float(anchor @ other) / temperature for other in candidates]
                same = [label == labels[a] for label in labels]
                wrong = [s for s, is_same in zip(logits, same, strict=True) if not is_same]
                found = [
                    sincere(s, wrong) for s, is_same in zip(logits, same, strict=True) if is_same
                ]
                of_anchors.append(np.mean(found))
        return float(np.mean(of_anchors))

    def intra_modal(table: np.ndarray) -> float:
        compared = pairs[: loss.cross_modal_batch]
        users = [direction(table[user]) for user, _ in compared]
        items = [direction(table[N_USERS + item]) for _, item in compared]
        losses = []
        for candidates, (anchors, others) in enumerate(((items, users), (users, items))):
            for place, anchor in enumerate(anchors):
                logits = [float(anchor @ other) / temperature for other in others]
                wrong = [
                    logits[other] for other in negatives(place, candidates) if other < len(compared)
                ]
                losses.append(sincere(logits[place], wrong))
        return float(np.mean(losses))

    weighted: list[tuple[str, float, Callable[[], float]]] = [
        ("ranking", 1.0, bpr if loss.ranking_loss == "bpr" else item_ranking),
        ("user_ranking", loss.user_ranking_weight, user_ranking),
    ]
    if has_graph and has_text:
        chosen = loss.cross_modal_labels
        aligned = ["user", "item"] if chosen == "both" else [chosen]
        for label in aligned:
            term = functools.partial(cross_modal, ["user", "item"].index(label))
            weighted.append((f"cross_modal_{label}", loss.cross_modal_weight / len(aligned), term))
    if has_graph:
        term = functools.partial(intra_modal, nodes.graph)
        weighted.append(("intra_modal_graph", loss.intra_modal_weight, term))
    if has_text:
        term = functools.partial(intra_modal, nodes.text)
        weighted.append(("intra_modal_text", loss.intra_modal_weight, term))
    values = {name: (weight, term()) for name, weight, term in weighted if weight > 0}
    total = sum(weight * value for weight, value in values.values())
    return {name: value for name, (_, value) in values.items()} | {"loss": total}


def sincere(positive: float, negatives: list[float]) -> float:
    """`−s + log(exp(s) + Σ exp(s_n))`."""
    largest = max([positive, *negatives])
    mass = sum(math.exp(value - largest) for value in [positive, *negatives])
    return largest + math.log(mass) - positive
