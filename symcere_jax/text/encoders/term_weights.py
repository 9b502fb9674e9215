"""Weights that tell terms of what users seek from terms of how they felt.

`users`: a user who stays in Rome stays there again, and one who buys parts of a car buys for the
same car: other people's reviews of two items of one user share such words far more often than those
of two items of different users. They share "great" and "friendly" just as often. So a term's weight
is

    log(1 + z),  z = (c + 1) / (e + 1)

where c counts the pairs of items of one user, over all users, of which both have the term in the
reviews by others, and e is that number by chance: the number of pairs, times the square of the
share of (user, item) whose others' reviews have the term.

`ratings`: a term that tells which item a review is about states a fact, one that tells the rating
voices sentiment. A term's weight is

    (1 + n I_item) / (1 + n I_item + n I_rating)

where I is the mutual information of the term's presence in a review with the item, or the rating,
of the review, less what it is when these are dealt out at random (at least 0), and n the number of
reviews: n I is what all reviews together tell, in nats.
"""

from collections.abc import Iterable

import numpy as np
import scipy.sparse

from symcere_jax.errors import DataError
from symcere_jax.text.encoders.fitted_lsa import weigh
from symcere_jax.text.encoders.information import mutual_information
from symcere_jax.text.encoders.vocabulary import Vocabulary
from symcere_jax.text.encoders.words import WordBatch

TERM_WEIGHTS = ("none", "users", "ratings")

_BLOCK_USERS = 512


def user_weights(
    batches: Iterable[WordBatch],
    vocabulary: Vocabulary,
    user: np.ndarray,
    item: np.ndarray,
    n_items: int,
) -> np.ndarray:
    """The weight of each term, as above.

    Args:
        batches: words of the n training reviews, a document each.
        vocabulary: the terms.
        user: int `[n]`, who wrote each review.
        item: int `[n]`, what it is about.
        n_items: number of items.

    Returns:
        float32 `[n_terms]`, in the order of `vocabulary.terms`.
    """
    n_terms = len(vocabulary.terms)
    by_review = _presence(batches, vocabulary)
    places = (np.ones(len(item), np.float32), (item, np.arange(len(item))))
    owns = scipy.sparse.csr_matrix(places, shape=(n_items, len(item)))
    by_item = (owns @ by_review).tocsr()  # reviews of each item that have the term
    order = np.argsort(user, kind="stable")
    starts = np.flatnonzero(np.diff(user[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    n_both, n_with = np.zeros(n_terms), np.zeros(n_terms)
    n_pairs = 0
    for first in range(0, len(starts), _BLOCK_USERS):
        of_users = slice(first, first + _BLOCK_USERS)
        rows = order[starts[of_users][0] : ends[of_users][-1]]
        others = by_item[item[rows]] - by_review[rows]
        others.eliminate_zeros()
        others.data = np.ones(others.nnz, np.float32)
        sizes = ends[of_users] - starts[of_users]
        which = np.repeat(np.arange(len(sizes)), sizes)
        places = (np.ones(len(rows), np.float32), (which, np.arange(len(rows))))
        of_user = scipy.sparse.csr_matrix(places, shape=(len(sizes), len(rows))) @ others
        n_with += np.bincount(of_user.indices, of_user.data, minlength=n_terms)
        pairs = of_user.data * (of_user.data - 1) / 2
        n_both += np.bincount(of_user.indices, pairs, minlength=n_terms)
        n_pairs += int((sizes * (sizes - 1) // 2).sum())
    expected = n_pairs * (n_with / len(order)) ** 2
    return np.log1p((n_both + 1) / (expected + 1)).astype(np.float32)


def rating_weights(
    batches: Iterable[WordBatch],
    vocabulary: Vocabulary,
    item: np.ndarray,
    rating: np.ndarray,
    *,
    seed: int = 0,
) -> np.ndarray:
    """The weight of each term by items and ratings, as above.

    Args:
        batches: words of the n training reviews, a document each.
        vocabulary: the terms.
        item: int `[n]`, what each review is about.
        rating: float `[n]`, NaN where there is none: such reviews do not count.
        seed: of the random deal.

    Returns:
        float32 `[n_terms]`, in the order of `vocabulary.terms`.

    Raises:
        DataError: no two ratings differ.
    """
    known = np.flatnonzero(np.isfinite(rating))
    presence = _presence(batches, vocabulary)[known]
    _, ratings = np.unique(np.asarray(rating)[known], return_inverse=True)
    if not ratings.any():
        raise DataError(
            "--text_term_weights=ratings needs training reviews with different ratings; use users, "
            "or none"
        )
    rng = np.random.default_rng(seed)

    def told(classes: np.ndarray) -> np.ndarray:
        by_chance = mutual_information(presence, rng.permutation(classes))
        return len(known) * np.maximum(mutual_information(presence, classes) - by_chance, 0)

    _, items = np.unique(np.asarray(item)[known], return_inverse=True)
    of_item, of_rating = 1 + told(items), told(ratings)
    return (of_item / (of_item + of_rating)).astype(np.float32)


def _presence(batches: Iterable[WordBatch], vocabulary: Vocabulary) -> scipy.sparse.csr_matrix:
    """Whether each review has each term, float32 `[n, n_terms]` of 0 and 1."""
    ones = np.ones(len(vocabulary.terms), np.float32)
    parts = [weigh(batch, vocabulary.keys, vocabulary.columns, ones) for batch in batches]
    found = scipy.sparse.vstack(parts, format="csr")
    found.data = np.ones(found.nnz, np.float32)
    return found
