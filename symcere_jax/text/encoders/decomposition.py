"""Truncated singular value decomposition of a sparse matrix that comes in blocks of rows."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import scipy.sparse

_OVERSAMPLES = 10
_N_ITERATIONS = 4
_COLUMNS = 32  # of the dense factor at a time; more of them would not stay in the cache
_BLOCK_VALUES = 1 << 24
_DENSE_ROWS = 1 << 16


class RowBlocks:
    """A sparse matrix float32 `[n_rows, n_columns]`, as blocks of rows on disk or in memory.

    Args:
        parts: consecutive rows, in CSR.
        n_columns: number of columns.
        scratch: folder for the blocks; None: in memory.
    """

    def __init__(
        self, parts: Iterable[scipy.sparse.csr_matrix], n_columns: int, scratch: Path | None
    ) -> None:
        self._scratch = scratch
        self._blocks: list[scipy.sparse.csr_matrix | list[Path]] = []
        self._n_rows: list[int] = []
        self._n_columns = n_columns
        pending: list[scipy.sparse.csr_matrix] = []
        n_values = 0
        for part in parts:
            pending.append(part)
            n_values += part.nnz
            if n_values >= _BLOCK_VALUES:
                self._add(pending)
                pending, n_values = [], 0
        if pending:
            self._add(pending)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return sum(self._n_rows), self._n_columns

    def __iter__(self) -> Iterator[tuple[slice, scipy.sparse.csr_matrix]]:
        """Yields each block, and which rows it is."""
        start = 0
        for block, n_rows in zip(self._blocks, self._n_rows, strict=True):
            rows = slice(start, start + n_rows)
            start += n_rows
            if isinstance(block, list):
                arrays = tuple(np.load(path, allow_pickle=False) for path in block)
                block = scipy.sparse.csr_matrix(arrays, shape=(n_rows, self._n_columns))
            yield rows, block

    def _add(self, parts: list[scipy.sparse.csr_matrix]) -> None:
        block = scipy.sparse.vstack(parts, format="csr")
        self._n_rows.append(block.shape[0])
        if self._scratch is None:
            self._blocks.append(block)
            return
        paths = []
        for name in ("data", "indices", "indptr"):
            paths.append(self._scratch / f"rows_{len(self._blocks)}_{name}.npy")
            np.save(paths[-1], getattr(block, name))
        self._blocks.append(paths)


def right_singular_vectors(
    matrix: RowBlocks, width: int, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The leading right singular vectors V, and the rows of the matrix in terms of them, M V.

    By a randomised range finder: with A the matrix M, or its transpose if that has fewer rows, and
    Ω random, the range of `Aᵀ (A Aᵀ)⁴ Ω` is found by power iterations whose iterates are as small
    as the smaller side of A; within that range the decomposition is exact (Halko, Martinsson and
    Tropp, SIAM Review 2011, algorithm 4.4; the range is that of scikit-learn's `randomized_svd` of
    four iterations). Where the smaller side is hardly larger than `width`, all of it is exact.

    Args:
        matrix: float32 `[m, n]`.
        width: number of vectors, at most `min(m, n)`.
        seed: of Ω.

    Returns:
        V, float32 `[n, width]`, by descending singular value, and M V, float32 `[m, width]`, in
        each column of which the number of largest size is positive. Vectors of singular value 0
        are 0.
    """
    n_rows, n_columns = matrix.shape
    by_rows = n_rows < n_columns
    n = min(n_rows, n_columns)
    if width + _OVERSAMPLES >= n:
        small = np.eye(n)  # in double precision
    else:
        random = np.random.RandomState(seed).normal(size=(n, width + _OVERSAMPLES))
        small = random.astype(np.float32)
        del random
        for _ in range(_N_ITERATIONS):
            small = _orthonormal(_gram_times(matrix, small, by_rows=by_rows))
    image = _gram_times(matrix, small, by_rows=by_rows)
    # On the range, A Aᵀ is the pencil (G₂, G₁): λ with G₂ w = λ G₁ w are squared singular values.
    whiten = _whitening(
        _inner(small, image), tolerance=1e-6 if small.dtype == np.float32 else 1e-13
    )
    squares, turn = np.linalg.eigh(whiten.T @ _inner(image, image) @ whiten)
    squares, turn = squares[::-1][:width], (whiten @ turn)[:, ::-1][:, :width]
    vectors = np.zeros((n_columns, width), np.float32)
    if by_rows:
        del image
        left = _times(small, turn)
        for columns in _slices(len(squares), _COLUMNS):
            for rows, block in matrix:
                vectors[:, columns] += block.T @ np.ascontiguousarray(left[rows, columns])
    else:
        vectors[:, : len(squares)] = _times(image, turn / np.sqrt(squares))
    products = np.concatenate([block @ vectors for _, block in matrix])
    signs = np.sign(products[np.abs(products).argmax(axis=0), np.arange(width)])
    vectors *= signs
    products *= signs
    return vectors, products


def _gram_times(matrix: RowBlocks, small: np.ndarray, *, by_rows: bool) -> np.ndarray:
    """`A Aᵀ X`, of the shape of X; the larger side is held for some columns at a time."""
    out = np.empty_like(small)
    for columns in _slices(small.shape[1], _COLUMNS):
        part = np.ascontiguousarray(small[:, columns])
        if by_rows:
            large: np.ndarray | float = 0.0
            for rows, block in matrix:
                large = block.T @ part[rows] + large
            for rows, block in matrix:
                out[rows, columns] = block @ large
        else:
            out[:, columns] = sum(block.T @ (block @ part) for _, block in matrix)
    return out


def _orthonormal(array: np.ndarray) -> np.ndarray:
    """An orthonormal base of the range of an array `[n, k]`."""
    return _times(array, _whitening(_inner(array, array), tolerance=1e-12))


def _whitening(gram: np.ndarray, *, tolerance: float) -> np.ndarray:
    """W with `Wᵀ G W = I`, `[k, rank]`, where G is symmetric."""
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    kept = values > tolerance * max(values[-1], np.finfo(float).tiny)
    return vectors[:, kept] / np.sqrt(values[kept])


def _inner(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`leftᵀ right` in double precision."""
    out = np.zeros((left.shape[1], right.shape[1]))
    for rows in _slices(len(left), _DENSE_ROWS):
        out += left[rows].astype(float).T @ right[rows].astype(float)
    return out


def _times(array: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """`array factor`, multiplied in double precision."""
    out = np.empty((len(array), factor.shape[1]), array.dtype)
    for rows in _slices(len(array), _DENSE_ROWS):
        out[rows] = array[rows].astype(float) @ factor
    return out


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
