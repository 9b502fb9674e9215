"""What the tests of comparisons share: scored runs on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.evaluation import evaluate
from symcere_jax.evaluation.stored_scores import write_scores


@pytest.fixture(scope="session")
def score_run(dataset: ReviewDataset) -> Callable[..., Path]:
    """Writes the scores of a model to a folder.

    Held-out items get `skill` on top of random scores, so that more of it is better.
    """

    def score(folder: Path, seed: int = 0, skill: float = 0.0, split: str = "test") -> Path:
        scores = np.random.default_rng(seed).random((dataset.n_users, dataset.n_items), np.float32)
        scores[tuple(dataset.interactions(split).T)] += skill
        evaluation = evaluate(_lookup, scores, dataset, split, ks=(3, 10))
        folder.mkdir(parents=True, exist_ok=True)
        write_scores(evaluation, folder, split, dataset, step=seed)
        return folder

    return score


def _lookup(scores, users):
    return scores[users]
