"""How much neighbours count in the scores of a trained model: chosen once it is trained."""

import dataclasses
from typing import NamedTuple

import numpy as np

from symcere_jax.config import Config
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.evaluation import PRIMARY_METRIC, evaluate, standard_error
from symcere_jax.models import Embeddings, Neighbors, score_block

MAX_ITEMS = 16_384  # the cost of their kernel grows with the square
WEIGHTS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)  # of a neighbour in the units of a cosine
STANDARD_ERRORS = 1.64  # that a gain has to exceed: 5 % by chance


class Chosen(NamedTuple):
    """A weight of neighbours, and what it is worth.

    Attributes:
        weight: w, see `models/neighbors.py`; 0: they do not count.
        score: with it, on the validation split.
    """

    weight: float
    score: float


def training_items(dataset: ReviewDataset, config: Config) -> Interactions:
    """The positive training items of each user."""
    positive = dataset.train[dataset.is_positive(config.model.min_rating)]
    return Interactions.from_pairs(positive, dataset.n_users)


def choose_weight(
    embeddings: Embeddings, temperature: float, dataset: ReviewDataset, config: Config
) -> Chosen:
    """The weight of neighbours that ranks best on validation.

    0, unless another one is better by `STANDARD_ERRORS` of the difference, paired over users.

    Args:
        embeddings: of the model, without neighbours.
        temperature: τ of the model.
        dataset: the prepared folder, with a validation split.
        config: resolved settings of the run.
    """
    items = training_items(dataset, config)

    def per_user(params: Embeddings) -> np.ndarray:
        found = evaluate(score_block, params, dataset, "valid", ks=(10,))
        return found.per_user[PRIMARY_METRIC]

    without = per_user(embeddings)
    best = Chosen(0.0, float(without.mean()))
    neighbors = Neighbors.of(np.asarray(embeddings.items), 1.0)
    for weight in WEIGHTS:
        tried = dataclasses.replace(neighbors, weight=weight / temperature)
        values = per_user(tried.added_to(embeddings, items))
        gains, score = values - without, float(values.mean())
        is_sure = gains.mean() > STANDARD_ERRORS * standard_error(gains)
        if is_sure and score > best.score:
            best = Chosen(weight, score)
    return best
