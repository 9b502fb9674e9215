"""How much item neighbors add to the scores of a trained model: chosen on validation."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from symcere_jax.callbacks import ShouldStop
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate, standard_error
from symcere_jax.models import Embeddings, ItemNeighbors, score_factors
from symcere_jax.models.item_neighbors import MAX_COLUMNS
from symcere_jax.settings import ResolvedSettings

MAX_ITEMS = 8192  # the cost of their kernel, paid at each start, grows with the square
MAX_VALUES = 2**28  # in the columns of all users: 1 GiB
WEIGHTS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)  # of a neighbor in the units of a cosine
STANDARD_ERRORS = 1.64  # that the gain of the best weight has to exceed


@dataclasses.dataclass(frozen=True)
class NeighborChoice:
    """How much neighbors count beside the best parameters of a run.

    Attributes:
        weight: w, see `models/item_neighbors.py`; 0: they do not count.
        score: on the validation split, with this weight.
        score_without: without neighbors.
    """

    weight: float
    score: float
    score_without: float


def training_items(dataset: ReviewDataset, settings: ResolvedSettings) -> Interactions:
    """The positive training items of each user."""
    positive = dataset.train[dataset.is_positive(settings.min_rating)]
    return Interactions.from_pairs(positive, dataset.n_users)


def can_count(dataset: ReviewDataset, settings: ResolvedSettings) -> bool:
    """Whether neighbors are asked for, and there is a split to choose their weight by."""
    return (
        settings.item_neighbors
        and len(dataset.valid) > 0
        and dataset.n_items <= MAX_ITEMS
        and dataset.n_users * min(dataset.n_items, MAX_COLUMNS) <= MAX_VALUES
    )


def choose_weight(
    embeddings: Embeddings,
    temperature: float,
    dataset: ReviewDataset,
    settings: ResolvedSettings,
    should_stop: ShouldStop = lambda: False,
) -> NeighborChoice | None:
    """The weight of neighbors that ranks best on validation.

    0, unless that is better by `STANDARD_ERRORS` of the difference, paired over users.

    Args:
        embeddings: of the model, without neighbors.
        temperature: τ of the model.
        dataset: the prepared folder, with a validation split.
        settings: of the run.
        should_stop: asked before each weight.

    Returns:
        The choice; None if it was told to stop.
    """

    def per_user(params: Embeddings) -> np.ndarray:
        evaluation = evaluate(score_factors, params.factors(), dataset, "valid", ks=(10,))
        return evaluation.per_user[PRIMARY_METRIC]

    without = per_user(embeddings)
    neighbors = ItemNeighbors.fit(np.asarray(embeddings.items), 1.0)
    added = neighbors.added_to(embeddings, training_items(dataset, settings))
    scores: dict[float, np.ndarray] = {}
    for weight in WEIGHTS:
        if should_stop():
            return None
        scaled = dataclasses.replace(neighbors, weight=weight / temperature)
        params = dataclasses.replace(added, item_neighbors=jnp.asarray(scaled.item_columns))
        scores[weight] = per_user(params)
    best = max(scores, key=lambda weight: scores[weight].mean())
    gains, plain = scores[best] - without, float(without.mean())
    if len(gains) < 2 or gains.mean() <= STANDARD_ERRORS * standard_error(gains):
        return NeighborChoice(0.0, plain, plain)
    return NeighborChoice(best, float(scores[best].mean()), plain)
