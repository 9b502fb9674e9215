import numpy as np
import pytest

from symcere_jax.text.encoders import feature_rows
from symcere_jax.text.encoders.feature_rows import collect_rows, owner_means


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_owner_means(monkeypatch, block):
    monkeypatch.setattr(feature_rows, "_BLOCK", block)
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
    parts = [np.arange(6.0, dtype=np.float32).reshape(2, 3), np.ones((1, 3), np.float32)]
    in_memory = collect_rows(iter(parts), 3, 3, None)
    mapped = collect_rows(iter(parts), 3, 3, tmp_path / "rows.npy")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, in_memory)
    assert collect_rows([], 0, 5, None).shape == (0, 5)
