"""A fitted latent semantic analysis, and its files.

buckets.npy   int64 [n_terms], ascending: hashes of the terms
idf.npy       float32 [n_terms]
basis.npy     float32 [n_terms, width], or int8
scales.npy    float32 [n_terms], factors of the rows of an int8 basis
counts.npz    [n_items, n_terms], counts of terms in the documents of items, if most are 0
item_map.npy  float32 [n_items, width], in place of the basis `Mᵀ · item_map`; M: weights of counts
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
_SCALES, _COUNTS, _ITEM_MAP = "scales.npy", "counts.npz", "item_map.npy"


class FittedLsa(FittedTextEncoder):
    """TF-IDF weights times a basis.

    A term t that occurs n_t times in a document has the weight `(1 + log n_t) · idf_t`. The weights
    of a document are divided by their norm, then multiplied by the basis.

    Args:
        buckets: as in the file, like the other arrays.
        idf: weights of the terms.
        basis: the basis, or the item map.
        scales: of an int8 basis.
        counts: of terms in the documents of items.
        has_map: whether `basis` is the item map.
    """

    kind = "lsa"

    def __init__(
        self,
        buckets: np.ndarray,
        idf: np.ndarray,
        basis: np.ndarray,
        scales: np.ndarray | None = None,
        counts: scipy.sparse.csr_matrix | None = None,
        *,
        has_map: bool = False,
    ) -> None:
        self._buckets, self._idf, self._basis, self._scales = buckets, idf, basis, scales
        self._counts, self._has_map = counts, has_map

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
        if self._scales is None and not self._has_map:
            return weights @ self._basis
        terms, columns = np.unique(weights.indices, return_inverse=True)
        shape = (weights.shape[0], len(terms))
        used = scipy.sparse.csr_matrix((weights.data, columns, weights.indptr), shape=shape)
        if self._scales is None:
            return used @ (self._item_weights[terms] @ self._basis)
        return used @ (self._basis[terms] * self._scales[terms, None])

    @functools.cached_property
    def _item_weights(self) -> scipy.sparse.csr_matrix:
        """Weights of the terms in the documents of items, float32 `[n_terms, n_items]`."""
        assert self._counts is not None
        return self._tfidf.transform(self._counts.astype(np.float32)).T.tocsr()

    def compacted(self) -> "FittedLsa":
        """The same encoder in less space.

        If there are counts with weights `M = U S Vᵀ`, the basis V is stored as `U S⁻¹`, since
        `V = Mᵀ (U S⁻¹)` up to rounding. Else it is stored in int8: cosines differ by under 0.001.
        """
        if self._has_map or self._scales is not None:
            return self
        if self._counts is not None:
            products = self._item_weights.T @ self._basis
            squares = (products**2).sum(axis=0)
            item_map = products / np.where(squares > 0, squares, 1)
            return FittedLsa(self._buckets, self._idf, item_map, counts=self._counts, has_map=True)
        largest = np.abs(self._basis).max(axis=1)
        scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        basis = np.rint(self._basis / scales[:, None]).astype(np.int8)
        return FittedLsa(self._buckets, self._idf, basis, scales)

    def unknown_words(self, text: str) -> list[str]:
        terms = split_terms(text)
        is_known = np.diff(self.kept_counts(hash_terms([term] for term in terms)).indptr) > 0
        known = {
            word
            for term, known in zip(terms, is_known, strict=True)
            if known
            for word in term.split()
        }
        return [term for term in dict.fromkeys(terms) if " " not in term and term not in known]

    def weigh(self, counts: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        """Weights `[n, n_terms]`, in rows of norm 1, of counts `[n, N_BUCKETS]`."""
        return self._tfidf.transform(self.kept_counts(counts), copy=False)

    @functools.cached_property
    def _tfidf(self) -> "TfidfTransformer":
        from sklearn.feature_extraction.text import TfidfTransformer  # slow to import

        transformer = TfidfTransformer(sublinear_tf=True)
        transformer.idf_ = np.asarray(self._idf)
        return transformer

    def save(self, folder: Path) -> None:
        np.save(folder / "buckets.npy", self._buckets)
        np.save(folder / "idf.npy", self._idf)
        np.save(folder / (_ITEM_MAP if self._has_map else "basis.npy"), self._basis)
        if self._scales is not None:
            np.save(folder / _SCALES, self._scales)
        if self._counts is not None:
            scipy.sparse.save_npz(folder / _COUNTS, self._counts)

    @classmethod
    def load(cls, folder: Path) -> "FittedLsa":
        """Reads the files of `save`; arrays are mapped.

        Raises:
            DataError, ValueError: a file is missing or malformed.
        """
        has_map = (folder / _ITEM_MAP).exists()
        buckets = load_array(folder / "buckets.npy")
        one_per_term = (len(buckets),)
        idf = load_array(folder / "idf.npy", one_per_term)
        scales = counts = None
        if (folder / _SCALES).exists():
            scales = load_array(folder / _SCALES, one_per_term)
        if has_map or (folder / _COUNTS).exists():
            with (folder / _COUNTS).open("rb") as file:
                counts = scipy.sparse.load_npz(file)
        basis = load_array(folder / (_ITEM_MAP if has_map else "basis.npy"))
        shape = (len(buckets), len(buckets)) if counts is None else counts.shape
        n_rows, n_terms = shape[0] if has_map else len(buckets), shape[1]
        if basis.ndim != 2 or (len(basis), n_terms) != (n_rows, len(buckets)):
            raise ValueError("arrays are not of one length")
        return cls(buckets, idf, basis, scales, counts, has_map=has_map)

    def kept_counts(self, counts: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        """The columns of the terms, `[n, n_terms]`, of counts `[n, N_BUCKETS]`."""
        columns = np.searchsorted(self._buckets, counts.indices)
        columns = np.minimum(columns, len(self._buckets) - 1)
        is_kept = self._buckets[columns] == counts.indices
        ends = np.concatenate([[0], np.cumsum(is_kept)])[counts.indptr]
        shape = (counts.shape[0], len(self._buckets))
        return scipy.sparse.csr_matrix((counts.data[is_kept], columns[is_kept], ends), shape=shape)
