"""Evaluation of a model on a split: full ranking, then metrics over users."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symcere_jax.callbacks import CountCallback
from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.data.interactions import Interactions
from symcere_jax.errors import DataError
from symcere_jax.evaluation.metrics import catalog_metrics, popularity_metrics
from symcere_jax.evaluation.ranking import ScoreBlock, top_k

CUTOFFS = (5, 10, 20, 50)

# What a user is known to have interacted with when a split is predicted.
_KNOWN_SPLITS: Mapping[str, tuple[str, ...]] = {"valid": ("train",), "test": ("train", "valid")}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The scores of a model on a split."""

    users: np.ndarray  # int32 [n], the users with a held-out item, ascending
    per_user: Mapping[str, np.ndarray]  # "metric@k" -> float64 [n]
    # "metric@k" -> mean over the users; also coverage@k and gini@k, of all users together.
    metrics: Mapping[str, float]
    recommended: np.ndarray  # int32 [n, max(ks)] items, best first, −1 for an empty rank


def evaluate(
    score_block: ScoreBlock,
    params: Any,
    dataset: ReviewDataset,
    split: str,
    *,
    ks: Sequence[int] = CUTOFFS,
    min_rating: float = 0.0,
    progress: CountCallback | None = None,
) -> Evaluation:
    """Ranks all items for every user with a held-out item, and measures the rankings.

    Items that the user is known to have interacted with are never recommended: those of the
    training split and, for "test", of the validation split too.

    Args:
        score_block: as in `top_k`.
        params: as in `top_k`.
        dataset: the prepared folder.
        split: whose interactions are to be found.
        ks: cutoffs of the metrics.
        min_rating: a held-out interaction of a lower rating is no hit; 0: all are hits. Users
            without any hit to find are left out.
        progress: as in `top_k`.

    Raises:
        ValueError: `split` or a cutoff is out of range.
        DataError: the split has no interactions, or none with such a rating.
        SymcereError: `params` holds NaN, or one of the best scores is not finite.
    """
    if split not in _KNOWN_SPLITS:
        raise ValueError(f"split is {split!r}, must be one of {', '.join(_KNOWN_SPLITS)}")
    held_out = held_out_pairs(dataset, split)
    if min_rating:
        held_out = held_out[dataset.is_positive(min_rating, split)]
    relevant = Interactions.from_pairs(held_out, dataset.n_users)
    known = np.concatenate([dataset.interactions(name) for name in _KNOWN_SPLITS[split]])
    seen = Interactions.from_pairs(known, dataset.n_users)
    users = np.unique(held_out[:, 0])
    recommended, _, per_user = top_k(
        score_block,
        params,
        users,
        seen,
        dataset.n_items,
        max(ks),
        relevant=relevant,
        ks=ks,
        progress=progress,
    )
    per_user |= popularity_metrics(recommended, dataset.item_counts(), ks)
    metrics = {name: float(values.mean()) for name, values in per_user.items()}
    metrics |= catalog_metrics(recommended, dataset.n_items, ks)
    return Evaluation(users, per_user, metrics, recommended)


def held_out_pairs(dataset: ReviewDataset, split: str) -> np.ndarray:
    """The interactions of a split, int32 `[n, 2]` pairs (user, item).

    Raises:
        DataError: there are none.
    """
    pairs = dataset.interactions(split)
    if not len(pairs):
        raise DataError(
            f"{dataset.folder / schema.pairs_file(split)} has no interactions; prepare the data "
            f"with a larger --{split}_share"
        )
    return pairs
