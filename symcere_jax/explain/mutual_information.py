"""How much the presence of a term in a review tells of a class of the review."""

import numpy as np
import scipy.sparse
from scipy.special import entr


def mutual_information(presence: scipy.sparse.csr_matrix, classes: np.ndarray) -> np.ndarray:
    """I(term; class) in nats, of each term by itself.

    Args:
        presence: bool or 0 and 1, `[n, n_terms]`, reviews and terms.
        classes: int `[n]` from 0, such as the item of each review.

    Returns:
        float64 `[n_terms]`. Of few reviews it is too large: what it is when classes are dealt out
        at random is to be taken off.
    """
    n, n_terms = presence.shape
    n_classes = int(classes.max()) + 1
    of_class = scipy.sparse.csr_matrix(
        (np.ones(n), (classes, np.arange(n))), shape=(n_classes, n), dtype=np.float64
    )
    joint = (of_class @ presence.astype(np.float64)).tocoo()  # reviews of a class with the term
    reviews = np.bincount(classes, minlength=n_classes).astype(np.float64)
    terms = np.asarray(presence.sum(axis=0), np.float64).ravel()
    with_term = -entr(joint.data / n)
    without = entr(reviews[joint.row] / n) - entr((reviews[joint.row] - joint.data) / n)
    total = np.bincount(joint.col, weights=with_term + without, minlength=n_terms)
    # A class that lacks the term adds as much to Σ p(t, c) log p(t, c) as to Σ p(c) log p(c).
    return total + entr(terms / n) + entr(1 - terms / n)
