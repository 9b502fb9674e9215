"""The words of all reviews of an item, weighted by how few items have them."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse

from symcere_jax.data.dataset import ReviewDataset
from symcere_jax.text.encoders.rows import sum_rows
from symcere_jax.text.encoders.term_counts import hash_terms, split_words

_BATCH = 1 << 13  # reviews
_LEAST_ITEMS = 2  # that a word must occur in


def item_words(dataset: ReviewDataset) -> scipy.sparse.csr_matrix:
    """TF-IDF weights of the words of the training reviews of each item.

    Single words, all of them: without pairs and with stop words, items whose weights are alike are
    the better guide to what a user likes. Rows `[n_items, n_words]` have norm 1; 0 without words.

    Raises:
        DataError: the reviews are not readable.
    """
    from sklearn.feature_extraction.text import TfidfTransformer  # slow to import

    counts: scipy.sparse.csr_matrix | None = None
    for items, texts in _training_texts(dataset):
        words = sum_rows(hash_terms(map(split_words, texts)), items, dataset.n_items)
        counts = words if counts is None else counts + words
    if counts is None:
        return scipy.sparse.csr_matrix((dataset.n_items, 0), dtype=np.float32)
    n_with_word = np.bincount(counts.indices, minlength=counts.shape[1])
    buckets = np.flatnonzero(n_with_word >= _LEAST_ITEMS)
    if not len(buckets):
        return counts[:, :0]
    kept = counts.tocsc()[:, buckets].tocsr()
    return TfidfTransformer(sublinear_tf=True).fit_transform(kept)


def _training_texts(dataset: ReviewDataset) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Items and texts of training reviews, some at a time."""
    for batch in dataset.review_batches(_BATCH, ["item", "split", "text"]):
        rows = np.flatnonzero(batch["split"].to_numpy(zero_copy_only=False) == "train")
        yield batch["item"].to_numpy()[rows], batch["text"].take(rows).to_pylist()
    for batch in dataset.extra_texts(_BATCH):
        yield batch["item"].to_numpy(), batch["text"].to_pylist()
