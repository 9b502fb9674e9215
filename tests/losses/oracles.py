"""Float64 loops, written from the formulas: what the losses are checked against."""

import math
from collections.abc import Sequence

import numpy as np


def logsumexp(values: Sequence[float]) -> float:
    """Log Σ exp(v), −∞ of nothing."""
    values = list(values)
    if not values:
        return -math.inf
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values))


def sincere(logits: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> float:
    """SINCERE by a triple loop over anchors, positives and negatives."""
    logits = np.asarray(logits, np.float64)
    n_anchors, n_candidates = logits.shape
    anchor_means = []
    for a in range(n_anchors):
        losses = []
        for b in range(n_candidates):
            if positives[a, b]:
                terms = [logits[a, b]]
                for n in range(n_candidates):
                    if negatives[a, n]:
                        terms.append(logits[a, n])
                losses.append(logsumexp(terms) - logits[a, b])
        if losses:
            anchor_means.append(sum(losses) / len(losses))
    return sum(anchor_means) / len(anchor_means)


def blockwise_logsumexp(
    anchors: np.ndarray, candidates: np.ndarray, bias: np.ndarray, excluded: np.ndarray
) -> np.ndarray:
    """Log Σ_{j not excluded} exp(a·c_j + bias_j), one anchor and candidate at a time."""
    results = []
    for a, is_excluded in zip(anchors.astype(np.float64), excluded, strict=True):
        logits = [
            float(a @ c) + float(b)
            for j, (c, b) in enumerate(zip(candidates.astype(np.float64), bias, strict=True))
            if j not in is_excluded
        ]
        results.append(logsumexp(logits))
    return np.array(results)
