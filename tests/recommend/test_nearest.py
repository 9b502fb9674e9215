import sys

import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.errors import ConfigError, DataError
from symcere_jax.models import Embeddings
from symcere_jax.recommend.nearest import ItemIndex, indexed_items, queries_of


@pytest.fixture(scope="module")
def embeddings():
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((40, 12), (2000, 12), (2000,))]
    arrays[0] *= 3
    arrays[2] *= 4  # popularity that outweighs all else for some items
    return Embeddings(*(jnp.asarray(array, jnp.float32) for array in arrays))


@pytest.fixture(scope="module")
def index(embeddings):
    return ItemIndex.build(embeddings)


def exact(embeddings):
    users, items, bias = (
        np.asarray(array, float)
        for array in (embeddings.users, embeddings.items, embeddings.item_bias)
    )
    return users @ items.T + bias


def test_almost_all_of_the_best_are_found_with_their_scores(index, embeddings):
    items, scores = index.search(np.asarray(embeddings.users), 10)
    expected = exact(embeddings)
    best = np.argsort(-expected, axis=1)[:, :10]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(items, best, strict=True)])
    assert recall > 0.95
    np.testing.assert_allclose(scores, np.take_along_axis(expected, items, 1), rtol=1e-3, atol=1e-3)
    assert (np.diff(scores, axis=1) <= 1e-4).all()


def test_distances_order_as_scores_do(embeddings):
    users, items, bias = (
        np.asarray(a, float) for a in (embeddings.users, embeddings.items, embeddings.item_bias)
    )
    rows, length = indexed_items(items, bias, 2.5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), length, rtol=1e-6)
    queries = queries_of(users, 2.5)
    distances = ((queries[:5, None] - rows[None]) ** 2).sum(axis=2)
    squares = (queries[:5].astype(float) ** 2).sum(axis=1)[:, None] + length**2
    np.testing.assert_allclose((squares - distances) / 2, exact(embeddings)[:5], atol=1e-3)


def test_one_query_no_query_and_more_than_there_is(embeddings):
    small = Embeddings(embeddings.users, embeddings.items[:5], embeddings.item_bias[:5])
    items, scores = ItemIndex.build(small).search(np.asarray(embeddings.users[:1]), 8)
    assert items[0, :5].tolist() == np.argsort(-exact(small)[0]).tolist()
    assert items[0, 5:].tolist() == [-1] * 3 and np.isneginf(scores[0, 5:]).all()
    assert ItemIndex.build(small).search(np.zeros((0, 12)), 3)[0].shape == (0, 3)


def test_an_index_in_a_file(index, embeddings, tmp_path):
    path = tmp_path / "items.usearch"
    index.save(path)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"{path.name}.json"}
    again = ItemIndex.load(path)
    assert len(again) == 2000
    queries = np.asarray(embeddings.users)
    np.testing.assert_array_equal(again.search(queries, 5)[0], index.search(queries, 5)[0])
    path.write_bytes(b"no index")
    for bad in (path, tmp_path / "absent"):
        with pytest.raises(DataError, match="not readable"):
            ItemIndex.load(bad)


def test_without_the_extra_it_is_named(embeddings, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch", None)
    with pytest.raises(ConfigError, match=r"pip install 'symcere-jax\[ann\]'"):
        ItemIndex.build(embeddings)
