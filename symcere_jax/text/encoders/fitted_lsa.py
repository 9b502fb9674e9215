"""A fitted latent semantic analysis: from texts to features, in memory or from its files.

buckets.npy   int64 [n_terms], ascending: the hashes of the terms that are kept
idf.npy       float32 [n_terms], the weight of each
basis.npy     float32 [n_terms, width], or int8
scales.npy    float32 [n_terms], what int8 rows of the basis are multiplied by
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse

from symcere_jax.data.dataset import load_array
from symcere_jax.text.encoders.base import FittedTextEncoder
from symcere_jax.text.encoders.rows import sum_rows
from symcere_jax.text.encoders.term_counts import count_terms, hash_terms, split_terms

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfTransformer

_BLOCK_DOCUMENTS = 1 << 10
_ARRAYS = ("buckets", "idf", "basis")
_SCALES = "scales.npy"


class FittedLsa(FittedTextEncoder):
    """TF-IDF and a basis, which any text can be encoded with.

    A document of n_t occurrences of the term t weighs it `(1 + log n_t) · idf_t`; weights are
    divided by their norm and multiplied by the basis. The arguments are the arrays of the files.
    """

    kind = "lsa"

    def __init__(
        self,
        buckets: np.ndarray,
        idf: np.ndarray,
        basis: np.ndarray,
        scales: np.ndarray | None = None,
    ) -> None:
        self._buckets, self._idf, self._basis, self._scales = buckets, idf, basis, scales

    @property
    def width(self) -> int:  # type: ignore[override]
        return self._basis.shape[1]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_documents([[text] for text in texts])

    def encode_documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        parts = [np.zeros((0, self.width), np.float32)]
        for start in range(0, len(documents), _BLOCK_DOCUMENTS):
            block = documents[start : start + _BLOCK_DOCUMENTS]
            owner = np.repeat(np.arange(len(block)), [len(texts) for texts in block])
            counts = count_terms(text for texts in block for text in texts)
            parts.append(self._project(self.weigh(sum_rows(counts, owner, len(block)))))
        return np.concatenate(parts)

    def _project(self, weights: scipy.sparse.csr_matrix) -> np.ndarray:
        if self._scales is None:
            return weights @ self._basis
        terms, columns = np.unique(weights.indices, return_inverse=True)
        shape = (weights.shape[0], len(terms))
        used = scipy.sparse.csr_matrix((weights.data, columns, weights.indptr), shape=shape)
        return used @ (self._basis[terms] * self._scales[terms, None])

    def compacted(self) -> "FittedLsa":
        """The same, with a basis of 8 bits a number: cosines differ by less than a thousandth."""
        if self._scales is not None:
            return self
        largest = np.abs(self._basis).max(axis=1)
        scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        basis = np.rint(self._basis / scales[:, None]).astype(np.int8)
        return FittedLsa(self._buckets, self._idf, basis, scales)

    def unknown_words(self, text: str) -> list[str]:
        terms = split_terms(text)
        is_known = np.diff(self._kept_counts(hash_terms([term] for term in terms)).indptr) > 0
        known = {
            word
            for term, known in zip(terms, is_known, strict=True)
            if known
            for word in term.split()
        }
        return [term for term in dict.fromkeys(terms) if " " not in term and term not in known]

    def weigh(self, counts: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        """Weights `[n, n_terms]` of counted terms `[n, N_BUCKETS]`, in rows of norm 1."""
        return self._tfidf.transform(self._kept_counts(counts), copy=False)

    @functools.cached_property
    def _tfidf(self) -> "TfidfTransformer":
        from sklearn.feature_extraction.text import TfidfTransformer  # slow to import

        transformer = TfidfTransformer(sublinear_tf=True)
        transformer.idf_ = np.asarray(self._idf)
        return transformer

    def save(self, folder: Path) -> None:
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, f"_{name}"))
        if self._scales is not None:
            np.save(folder / _SCALES, self._scales)

    @classmethod
    def load(cls, folder: Path) -> "FittedLsa":
        """Reads what `save` wrote; the arrays are mapped.

        Raises:
            DataError, ValueError: a file is missing or malformed.
        """
        arrays = {name: load_array(folder / f"{name}.npy") for name in _ARRAYS}
        if (folder / _SCALES).exists():
            arrays["scales"] = load_array(folder / _SCALES)
        n_terms = len(arrays["buckets"])
        if arrays["basis"].ndim != 2 or any(len(array) != n_terms for array in arrays.values()):
            raise ValueError("arrays are not of one length")
        return cls(**arrays)

    def _kept_counts(self, counts: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        """The columns that are kept, `[n, n_terms]`."""
        columns = np.searchsorted(self._buckets, counts.indices)
        columns = np.minimum(columns, len(self._buckets) - 1)
        is_kept = self._buckets[columns] == counts.indices
        ends = np.concatenate([[0], np.cumsum(is_kept)])[counts.indptr]
        shape = (counts.shape[0], len(self._buckets))
        return scipy.sparse.csr_matrix((counts.data[is_kept], columns[is_kept], ends), shape=shape)
