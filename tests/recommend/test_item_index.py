import sys

import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.errors import ConfigError
from symcere_jax.models import Embeddings
from symcere_jax.recommend.item_index import ItemIndex, build_index, item_vectors, query_vectors


@pytest.fixture(scope="module")
def embeddings():
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((40, 12), (2000, 12), (2000,))]
    arrays[0] *= 3
    arrays[2] *= 4  # popularity that outweighs all else for some items
    return Embeddings(*(jnp.asarray(array, jnp.float32) for array in arrays))


def arrays_of(embeddings):
    names = ("users", "items", "item_bias")
    return [np.asarray(getattr(embeddings, name), float) for name in names]


def exact_scores(embeddings):
    users, items, bias = arrays_of(embeddings)
    return users @ items.T + bias


def test_distances_order_as_scores_do(embeddings):
    users, items, bias = arrays_of(embeddings)
    rows = item_vectors(items, bias, 2.5)
    lengths = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-6)
    queries = query_vectors(users, 2.5)[:5].astype(float)
    distances = ((queries[:, None] - rows[None]) ** 2).sum(axis=2)
    # |q − x|² = |q|² + |x|² − 2 q·x
    squares = (queries**2).sum(axis=1)[:, None] + lengths[0] ** 2
    np.testing.assert_allclose((squares - distances) / 2, exact_scores(embeddings)[:5], atol=1e-3)


def test_one_query_no_query_and_more_than_there_is(embeddings):
    small = Embeddings(embeddings.users, embeddings.items[:5], embeddings.item_bias[:5])
    index = ItemIndex(small)
    [items] = index.search(np.asarray(embeddings.users[:1]), 8)
    assert items.tolist() == [*np.argsort(-exact_scores(small)[0]), -1, -1, -1]
    assert index.search(np.zeros((0, 12), np.float32), 3).shape == (0, 3)


def test_every_item_is_the_nearest_to_itself(embeddings):
    items = np.array(embeddings.items)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    index = ItemIndex(Embeddings(embeddings.users, items, np.zeros(len(items), np.float32)))
    assert index.search(items, 1, with_bias=False).ravel().tolist() == list(range(len(items)))


def test_no_index_an_unknown_kind_and_a_missing_extra(embeddings, monkeypatch):
    assert build_index(embeddings, "exact") is None
    with pytest.raises(ConfigError, match="'tree', must be one of exact, hnsw"):
        build_index(embeddings, "tree")
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(ConfigError, match=r"pip install 'symcere-jax\[ann\]'"):
        build_index(embeddings, "hnsw")
