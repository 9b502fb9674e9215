"""A fitted latent semantic analysis: from texts to features, in memory or from its files.

words.parquet   number (int32), word (string): the words of all terms
keys.npy        int64 [n_terms], sorted: terms as numbers, see `vocabulary`
columns.npy     int64 [n_terms], for each key its row of the basis
idf.npy         float32 [n_terms], weight of each row of the basis
basis.npy       float32 [n_terms, width]
stop_words.json the words that are no words
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from symcere_jax.data.dataset import load_array
from symcere_jax.text.encoders.vocabulary import Vocabulary, term_counts, words_of_terms
from symcere_jax.text.encoders.words import (
    STOP,
    WordBatch,
    WordNumbers,
    single_documents,
    split_words,
    words_of,
)

_BLOCK_DOCUMENTS = 1 << 10
_ARRAYS = ("keys", "columns", "idf", "basis")
_WORDS = "words.parquet"
_STOP_WORDS = "stop_words.json"


class FittedLsa:
    """TF-IDF and a basis, which any text can be encoded with; see `FittedTextEncoder`.

    A document of n_t occurrences of the term t weighs it
    `(1 + log n_t) · (log((1 + n) / (1 + d_t)) + 1)`, where d_t of n training documents have it;
    weights are divided by their norm and multiplied by the basis.

    Args:
        numbers: word -> number; stop words have `words.STOP`.
        keys: int64 `[n_terms]`, sorted.
        columns: int64 `[n_terms]`.
        idf: float32 `[n_terms]`.
        basis: float32 `[n_terms, width]`.
    """

    kind = "lsa"
    reads_text = True

    def __init__(
        self,
        numbers: Mapping[str, int],
        keys: np.ndarray,
        columns: np.ndarray,
        idf: np.ndarray,
        basis: np.ndarray,
    ) -> None:
        self._numbers = numbers
        self._keys, self._columns, self._idf, self._basis = keys, columns, idf, basis

    @property
    def width(self) -> int:
        """Width of the features."""
        return self._basis.shape[1]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts, each by itself; see `FittedTextEncoder`."""
        batches = single_documents(texts, self._numbers)
        return self._concatenate([self.weigh(batch) @ self._basis for batch in batches])

    def encode_documents(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """Features of users or items, from all reviews of each; see `FittedTextEncoder`."""
        parts = []
        for start in range(0, len(documents), _BLOCK_DOCUMENTS):
            block = documents[start : start + _BLOCK_DOCUMENTS]
            words, ends = split_words([text for texts in block for text in texts], self._numbers)
            n_texts = np.cumsum([len(texts) for texts in block])
            ends = np.concatenate([np.zeros(1, np.int64), ends])[n_texts]
            parts.append(self.weigh((words, ends)) @ self._basis)
        return self._concatenate(parts)

    def unknown_words(self, text: str) -> list[str]:
        """Words that add nothing to the features of a text; see `FittedTextEncoder`."""
        names = [word for word in words_of(text) if self._numbers.get(word) != STOP]
        batch = split_words([text], self._numbers)
        keys, _, _ = term_counts(batch)
        _, is_known = _find(keys, self._keys)
        known = set(words_of_terms(keys[is_known]).tolist())
        numbered = zip(names, batch[0].tolist(), strict=True)
        useful = {name for name, number in numbered if number in known}
        return [name for name in dict.fromkeys(names) if name not in useful]

    def weigh(self, batch: WordBatch) -> scipy.sparse.csr_matrix:
        """Weights of the terms of some documents, float32 `[n_documents, n_terms]`."""
        return weigh(batch, self._keys, self._columns, self._idf)

    def save(self, folder: Path) -> None:
        """Writes the files into a folder that exists."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, f"_{name}"))
        kept = set(words_of_terms(np.asarray(self._keys)).tolist())
        words = sorted((number, word) for word, number in self._numbers.items() if number in kept)
        table = pa.table(
            {
                "number": pa.array([number for number, _ in words], pa.int32()),
                "word": pa.array([word for _, word in words], pa.string()),
            }
        )
        pq.write_table(table, folder / _WORDS, compression="zstd")
        stop_words = sorted(word for word, number in self._numbers.items() if number < 0)
        text = json.dumps(stop_words, ensure_ascii=False) + "\n"
        (folder / _STOP_WORDS).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "FittedLsa":
        """Reads what `save` wrote; the arrays are mapped.

        Raises:
            DataError, OSError, ValueError, KeyError, pyarrow.ArrowException: a file is missing or
                malformed.
        """
        arrays = {name: load_array(folder / f"{name}.npy") for name in _ARRAYS}
        n_terms = len(arrays["keys"])
        if arrays["basis"].ndim != 2 or any(len(array) != n_terms for array in arrays.values()):
            raise ValueError("arrays are not of one length")
        table = pq.read_table(folder / _WORDS)
        words, numbers = table["word"].to_pylist(), table["number"].to_pylist()
        stop_words = json.loads((folder / _STOP_WORDS).read_text(encoding="utf-8"))
        known = WordNumbers.stop(stop_words) | dict(zip(words, numbers, strict=True))
        return cls(known, **arrays)

    def _concatenate(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.zeros((0, self.width), np.float32), *parts])


def idf(vocabulary: Vocabulary) -> np.ndarray:
    """`log((1 + n) / (1 + d_t)) + 1` of each term, float32 `[n_terms]`."""
    n_with_term = vocabulary.document_counts.astype(np.float32) + np.float32(1)
    return np.log(np.float32(1 + vocabulary.n_documents) / n_with_term) + np.float32(1)


def weigh(
    batch: WordBatch, keys: np.ndarray, columns: np.ndarray, idf: np.ndarray
) -> scipy.sparse.csr_matrix:
    """Weights `(1 + log n_t) · idf_t` of the terms of documents, divided by their norm.

    Args:
        batch: words and ends of n documents.
        keys: int64 `[n_terms]`, sorted.
        columns: int64 `[n_terms]`, column of each key.
        idf: float32 `[n_terms]`, by column.

    Returns:
        float32 `[n, n_terms]`.
    """
    found_keys, document, n = term_counts(batch)
    places, found = _find(found_keys, keys)
    column, document = columns[places[found]], document[found]
    weights = (np.log(n[found].astype(np.float32)) + np.float32(1)) * idf[column]
    n_documents = len(batch[1])
    squares = np.bincount(document, weights.astype(float) ** 2, minlength=n_documents)
    weights /= np.sqrt(squares).astype(np.float32)[document]
    shape = (n_documents, len(keys))
    matrix = scipy.sparse.coo_matrix((weights, (document, column)), shape=shape).tocsr()
    matrix.sort_indices()
    return matrix


def _find(wanted: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the wanted in sorted keys, int64 `[n]`, and whether they are there, bool `[n]`."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return places, keys[places] == wanted
