"""Latent semantic analysis of review texts: TF-IDF of words and word pairs, then truncated SVD.

It is fitted on one document per item: all its training reviews. Then the words that distinguish
items (a city, a brand, a part number) count, not those that distinguish reviews (length, mood); on
hotel reviews, this ranks a fifth better than a fit on single reviews.

Counts of terms, weights of items and features are on disk. Memory holds the number of items of each
bucket (64 MB), the basis of `n_terms × width` floats (at most 512 MB by default), and 4 KB for each
item or term, whichever are fewer.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits

from symcere_jax.callbacks import MessageCallback
from symcere_jax.errors import DataError
from symcere_jax.text.encoders.base import Reviews, TextFeatures
from symcere_jax.text.encoders.fitted_lsa import FittedLsa
from symcere_jax.text.encoders.rows import StoredRows, collect_rows
from symcere_jax.text.encoders.term_counts import N_BUCKETS, count_terms

_BLOCK_TEXTS = 1 << 12
_FEW_ROWS = 1 << 11  # of a Gram matrix that is computed once, which is faster
_LEAST_SAVING = 16  # numbers in the basis per count, from which on counts are stored, too


@dataclasses.dataclass(frozen=True)
class LsaEncoder:
    """TF-IDF over item documents, reduced by truncated SVD; fitted on training reviews only.

    A term t in the documents of d_t of n items has `idf_t = log((1 + n) / (1 + d_t)) + 1`.
    """

    width: int = 256  # of the features, if there are more items and terms
    min_items: int = 2  # smallest number of documents with a term
    max_item_share: float = 0.5  # largest share of documents with a term
    max_terms: int = 500_000  # number of terms, those in most documents
    seed: int = 0  # of the first vector of the decomposition
    scratch: Path | None = None  # folder of mapped files with features; None: in memory

    name = "lsa"

    def encode(
        self, reviews: Reviews, announce: MessageCallback = lambda stage: None
    ) -> TextFeatures:
        """Fits on the training reviews and encodes all reviews.

        Args:
            reviews: with held-out ones.
            announce: called with a few words at the start of each stage.

        Returns:
            Features of width `min(width, n_items − 1, n_terms − 1)`.

        Raises:
            DataError: the training reviews share no words to make features of.
        """
        announce("counting words")
        texts = reviews.texts
        starts = range(0, len(texts), _BLOCK_TEXTS)
        blocks = (count_terms(texts[start : start + _BLOCK_TEXTS]) for start in starts)
        counts = StoredRows(blocks, N_BUCKETS, self.scratch)
        train = np.flatnonzero(reviews.is_train)
        by_users = train[reviews.user[train] >= 0]
        item_selection = (train, reviews.item[train], reviews.n_items)
        user_selection = (by_users, reviews.user[by_users], reviews.n_users)
        buckets, idf = self._choose_terms(counts.sums(*item_selection), len(train), reviews.n_items)
        width = min(self.width, min(reviews.n_items, len(buckets)) - 1)
        if width < 1:
            raise DataError(
                f"text features need two items and two terms, the training reviews have "
                f"{reviews.n_items} and {len(buckets)}; prepare with --text_encoder=none"
            )
        announce(f"reducing {len(buckets):,} terms to {width} dimensions")
        fitted = FittedLsa(buckets, idf, np.zeros((len(buckets), 0), np.float32))
        weights = map(fitted.weigh, counts.sums(*item_selection))
        item_terms = StoredRows(weights, len(buckets), self.scratch).matrix
        basis, items = right_singular_vectors(item_terms, width, seed=self.seed)
        fitted = FittedLsa(buckets, idf, basis)

        def project(
            rows: str, blocks: Iterable[scipy.sparse.csr_matrix], n: int, dtype: type
        ) -> np.ndarray:
            announce(f"encoding {rows}")
            projected = (fitted.weigh(block) @ basis for block in blocks)
            return collect_rows(projected, n, width, self.scratch, f"{rows}_features", dtype)

        users = project("users", counts.sums(*user_selection), reviews.n_users, np.float32)
        alone = project("reviews", counts.first(reviews.n_own), reviews.n_own, np.float16)
        settings = dataclasses.asdict(self) | {"n_terms": len(buckets)}
        del settings["scratch"]
        if item_terms.nnz * _LEAST_SAVING < basis.size:
            kept = [fitted.kept_counts(block) for block in counts.sums(*item_selection)]
            item_counts = scipy.sparse.vstack(kept, "csr", np.int32)
            fitted = FittedLsa(buckets, idf, basis, counts=item_counts)
        return TextFeatures(alone, users, items, settings, fitted)

    def _choose_terms(
        self, documents: Iterable[scipy.sparse.csr_matrix], n_reviews: int, n_items: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Buckets of the terms, int64 `[n_terms]`, and their IDF, float32 `[n_terms]`."""
        n_with_term = np.zeros(N_BUCKETS, np.int32)
        for block in documents:
            np.add.at(n_with_term, block.indices, 1)
        fits = (n_with_term >= self.min_items) & (n_with_term <= self.max_item_share * n_items)
        buckets = np.flatnonzero(fits)
        if not len(buckets):
            raise DataError(
                f"no text features can be made of {n_reviews} training reviews: every term is in "
                "too few or too many items; prepare with --text_encoder=none"
            )
        if len(buckets) > self.max_terms:
            order = np.argsort(-n_with_term[buckets], kind="stable")
            buckets = np.sort(buckets[order[: self.max_terms]])
        idf = np.log((1 + n_items) / (1 + n_with_term[buckets])) + 1
        return buckets, idf.astype(np.float32)


def right_singular_vectors(
    matrix: scipy.sparse.csr_matrix, width: int, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The leading right singular vectors V of a matrix M, and the product M V.

    The Lanczos method finds eigenvectors of `A Aᵀ`, where A is M or, if that has fewer rows, Mᵀ. It
    holds 2 · `width` vectors of the smaller side.

    Args:
        matrix: M, float32 `[m, n]`.
        width: number of vectors, less than `min(m, n)`.
        seed: of the first vector.

    Returns:
        V, float32 `[n, width]`, by descending singular value, 0 where that is 0; and M V, float32
        `[m, width]`. In each column of M V, the entry of largest magnitude is positive.
    """
    small = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
    large = small.T
    n = small.shape[0]
    if n <= _FEW_ROWS:
        gram = (small @ large).toarray()
    else:
        gram = LinearOperator((n, n), matvec=lambda x: small @ (large @ x), dtype=np.float32)
    start = np.random.default_rng(seed).normal(size=n).astype(np.float32)
    with threadpool_limits(1):  # products are small, and threads would wait for each other
        squares, vectors = eigsh(gram, width, v0=start, tol=1e-3)
    squares, vectors = squares[::-1], np.ascontiguousarray(vectors[:, ::-1])
    if small is matrix:
        vectors = large @ vectors
        vectors /= np.sqrt(np.maximum(squares, np.finfo(np.float32).tiny))
    vectors[:, squares <= 1e-6 * squares[0]] = 0  # rounding, not a direction
    products = matrix @ vectors
    signs = np.sign(products[np.abs(products).argmax(axis=0), np.arange(width)])
    vectors *= signs
    products *= signs
    return vectors, products
