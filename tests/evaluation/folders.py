"""A data set in memory, and plain Python loops that rank and measure it."""

import math
from pathlib import Path

import numpy as np

from symcere_jax.data import schema
from symcere_jax.data.dataset import ReviewDataset


def dataset(train, valid, test, n_users, n_items) -> ReviewDataset:
    """A `ReviewDataset` of the given pairs; no folder is read."""
    pairs = {"train": train, "valid": valid, "test": test}
    arrays = {
        split: np.array(sorted(rows), np.int32).reshape(-1, 2) for split, rows in pairs.items()
    }
    counts = {split: len(rows) for split, rows in arrays.items()}
    manifest = schema.Manifest(
        name="small",
        n_users=n_users,
        n_items=n_items,
        n_reviews=sum(counts.values()),
        n_interactions=counts,
        k_core=1,
        split={},
        source={},
        dropped={},
        text_encoders={},
        files={},
    )
    return ReviewDataset(Path("small"), manifest, **arrays)


def random_dataset(n_users=37, n_items=23, seed=0) -> ReviewDataset:
    """Random interactions; some users have nothing held out, and user 3 has nothing else."""
    rng = np.random.default_rng(seed)
    splits = ("train", "valid", "test", None)
    pairs = {split: [] for split in splits}
    for user in range(n_users):
        for item in range(n_items):
            split = rng.choice(4, p=[0.2, 0.05, 0.06, 0.69])
            if user != 3:
                pairs[splits[split]].append((user, item))
    pairs["valid"].append((3, 0))
    pairs["test"].append((3, 1))
    return dataset(pairs["train"], pairs["valid"], pairs["test"], n_users, n_items)


def lookup(scores, users):
    """Scores that are read from a table."""
    return scores[users]


def rank(scores, seen, k) -> list[int]:
    """Best unseen items by score, then by row."""
    unseen = [item for item in range(len(scores)) if item not in seen]
    return sorted(unseen, key=lambda item: (-scores[item], item))[:k]


def user_metrics(ranked, relevant, k) -> dict[str, float]:
    """Every metric of one user, from the textbook formulas."""
    ranked = ranked[:k]
    gains = [1.0 if item in relevant else 0.0 for item in ranked]
    ideal = [1.0] * min(k, len(relevant))

    def discounted(values):
        return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(values))

    hit_ranks = [rank for rank, gain in enumerate(gains, start=1) if gain]
    precisions = [sum(gains[:rank]) / rank for rank in hit_ranks]
    return {
        "ndcg": discounted(gains) / discounted(ideal),
        "recall": sum(gains) / len(relevant),
        "precision": sum(gains) / k,
        "hit_rate": 1.0 if hit_ranks else 0.0,
        "mrr": 1.0 / hit_ranks[0] if hit_ranks else 0.0,
        "map": sum(precisions) / len(ideal),
    }
