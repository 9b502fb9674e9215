import numpy as np
import pytest
import scipy.sparse

from symcere_jax.text.encoders import rows as rows_module
from symcere_jax.text.encoders.rows import StoredRows, collect_rows, owner_means, sum_rows


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_owner_means(monkeypatch, block):
    monkeypatch.setattr(rows_module, "_BLOCK", block)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    kept, owner = rng.random(50) < 0.5, rng.integers(0, 9, 50)
    kept[owner == 3] = False
    means = owner_means(rows, kept, owner, 10)
    assert means.dtype == np.float32
    for place in range(10):
        of_owner = rows[kept & (owner == place)].astype(float)
        expected = of_owner.mean(axis=0) if len(of_owner) else np.zeros(4)
        norm = np.linalg.norm(expected)
        np.testing.assert_allclose(means[place], expected / (norm or 1), atol=1e-6)
    assert not means[[3, 9]].any()


def test_collected_rows_are_the_same_in_a_file(tmp_path):
    blocks = [np.arange(6.0, dtype=np.float32).reshape(2, 3), np.ones((1, 3), np.float32)]
    in_memory = collect_rows(iter(blocks), 3, 3, None, "rows")
    mapped = collect_rows(iter(blocks), 3, 3, tmp_path, "rows")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, in_memory)
    assert collect_rows([], 0, 5, None, "rows").shape == (0, 5)


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_stored_rows(monkeypatch, tmp_path, block):
    monkeypatch.setattr(rows_module, "_BLOCK", block)
    rng = np.random.default_rng(0)
    dense = rng.poisson(0.3, size=(40, 9)).astype(np.float32)
    dense[5:9] = 0
    blocks = (scipy.sparse.csr_matrix(dense[start : start + 11]) for start in range(0, 40, 11))
    stored = StoredRows(blocks, 9, tmp_path)
    assert not list(tmp_path.iterdir())  # nothing is left, however the program ends
    np.testing.assert_array_equal(stored.matrix.toarray(), dense)
    for n in (40, 13):
        first = scipy.sparse.vstack(list(stored.first(n))).toarray()
        np.testing.assert_array_equal(first, dense[:n])
    some = rng.permutation(40)[:25]
    np.testing.assert_array_equal(stored.take(some).toarray(), dense[some])
    owner = rng.integers(1, 6, 25)  # neither 0 nor 6 owns any
    sums = scipy.sparse.vstack(list(stored.sums(some, owner, 7))).toarray()
    expected = [dense[some[owner == place]].sum(axis=0) for place in range(7)]
    np.testing.assert_array_equal(sums, expected)
    np.testing.assert_array_equal(sum_rows(stored.take(some), owner, 7).toarray(), expected)


def test_no_rows_and_rows_without_values():
    stored = StoredRows(iter([scipy.sparse.csr_matrix((3, 4), dtype=np.float32)]), 4, None)
    assert stored.matrix.nnz == 0
    assert sum(block.shape[0] for block in stored.first(3)) == 3
    nobody = np.zeros(0, np.int64)
    assert [block.shape for block in stored.sums(nobody, nobody, 2)] == [(2, 4)]
    assert StoredRows([], 4, None).matrix.shape == (0, 4)
