"""Weights that tell terms of what users seek from terms of how they felt.

A user who stays in Rome stays there again, and one who buys parts of a car buys for the same car:
other people's reviews of two items of one user share such words far more often than those of two
items of different users. They share "great" and "friendly" just as often. So a term's weight is

    log(1 + z),  z = (c + 1) / (e + 1)

where c counts the pairs of items of one user, over all users, of which both have the term in the
reviews by others, and e is that number by chance: the number of pairs, times the square of the
share of (user, item) whose others' reviews have the term.
"""

from collections.abc import Iterable

import numpy as np
import scipy.sparse

from symcere_jax.text.fitted_lsa import weigh
from symcere_jax.text.vocabulary import Vocabulary
from symcere_jax.text.words import Batch

TERM_WEIGHTS = ("none", "users")

_BLOCK_USERS = 512


def user_weights(
    batches: Iterable[Batch],
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
    ones = np.ones(n_terms, np.float32)
    parts = [weigh(batch, vocabulary.keys, vocabulary.columns, ones) for batch in batches]
    by_review = scipy.sparse.vstack(parts, format="csr")
    del parts
    by_review.data = np.ones(by_review.nnz, np.float32)
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
