"""Runs with random scores on disk, for tests of what reads them."""

from pathlib import Path

import numpy as np

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.evaluation import evaluate
from symcere_jax.evaluation.stored_scores import write_scores


def score_at_random(
    folder: Path, dataset: ReviewDataset, seed: int = 0, skill: float = 0.0, split: str = "test"
) -> Path:
    """Writes random scores to a folder; held-out items get `skill` more, so that more is better."""
    scores = np.random.default_rng(seed).random((dataset.n_users, dataset.n_items), np.float32)
    scores[tuple(dataset.interactions(split).T)] += skill
    evaluation = evaluate(lambda table, users: table[users], scores, dataset, split, ks=(3, 10))
    folder.mkdir(parents=True, exist_ok=True)
    write_scores(evaluation, folder, split, dataset, step=seed)
    return folder
