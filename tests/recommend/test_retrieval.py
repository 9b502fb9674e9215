import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from symcere_jax.data import Interactions
from symcere_jax.models import Embeddings
from symcere_jax.recommend import retrieval as module
from symcere_jax.recommend.item_index import build_index
from symcere_jax.recommend.retrieval import Retriever

N_USERS, N_ITEMS, DIM = 70, 3000, 12


@pytest.fixture(scope="module")
def embeddings():
    rng = np.random.default_rng(0)
    items = rng.standard_normal((N_ITEMS, DIM))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    arrays = (8 * rng.standard_normal((N_USERS, DIM)), items, rng.standard_normal(N_ITEMS))
    return Embeddings(*(jnp.asarray(array, jnp.float32) for array in arrays))


@pytest.fixture(scope="module")
def indexed(embeddings):
    return Retriever(embeddings, build_index(embeddings, "hnsw"))


def scores_of(embeddings):
    users, items, bias = (
        np.asarray(array, float)
        for array in (embeddings.users, embeddings.items, embeddings.item_bias)
    )
    return users @ items.T + bias


def recall(found, scores, k):
    best = np.argsort(-scores, axis=1)[:, :k]
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found, best, strict=True)])


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_the_best_that_were_not_seen(embeddings, indexed, kind):
    retriever = indexed if kind == "hnsw" else Retriever(embeddings)
    scores = scores_of(embeddings)
    # The first users have seen their ten best items, and others less.
    seen = Interactions.from_rows(
        [np.sort(np.argsort(-row)[: 10 if u < 9 else u % 4]) for u, row in enumerate(scores)]
    )
    rows = np.array([3, 0, 69, *range(5, 66)])
    steps = []
    items, found = retriever.recommend(
        embeddings.users, rows, seen, 5, progress=lambda *step: steps.append(step)
    )
    assert items.dtype == np.int32 and found.dtype == np.float32
    assert steps[-1] == (len(rows), len(rows))
    for place, user in enumerate(rows):
        np.testing.assert_allclose(found[place], scores[user, items[place]], rtol=1e-4)
        scores[user, seen.row(user)] = -np.inf
    assert np.isfinite(np.take_along_axis(scores[rows], items, 1)).all()  # nothing that was seen
    assert recall(items, scores[rows], 5) > (0.99 if kind == "hnsw" else 0.999)


def test_cosines_leave_popularity_out(embeddings, indexed):
    queries = embeddings.items[:50]
    itself = Interactions.from_rows([np.array([row]) for row in range(50)])
    cosines = np.asarray(queries, float) @ np.asarray(embeddings.items, float).T
    np.fill_diagonal(cosines, -np.inf)
    for retriever in (Retriever(embeddings), indexed):
        items, found = retriever.nearest(queries, itself, 8)
        assert recall(items, cosines, 8) > 0.98
        np.testing.assert_allclose(found, np.take_along_axis(cosines, items, 1), atol=1e-5)


def test_search_is_exact_where_an_index_cannot_serve(embeddings, indexed):
    allowed = np.array([2, 70, 9])
    rows = np.arange(4)
    items, _ = indexed.recommend(
        embeddings.users, rows, Interactions.empty(N_USERS), 5, allowed=allowed
    )
    expected = allowed[np.argsort(-scores_of(embeddings)[:4, allowed], axis=1)]
    np.testing.assert_array_equal(items[:, :3], expected)
    assert (items[:, 3:] == -1).all()
    # Of items of different lengths, the nearest by cosine are not those of the best inner product.
    longer = dataclasses.replace(embeddings, items=embeddings.items.at[::2].multiply(3))
    queries = embeddings.items[:9]
    found = [
        Retriever(longer, index).nearest(queries, Interactions.empty(9), 6)
        for index in (None, build_index(longer, "hnsw"))
    ]
    np.testing.assert_array_equal(found[0][0], found[1][0])


def test_more_than_there_is(embeddings):
    few = dataclasses.replace(embeddings, items=embeddings.items[:4], item_bias=jnp.zeros(4))
    seen = Interactions.from_rows([np.array([0, 1, 2, 3]), np.array([2])])
    for retriever in (Retriever(few), Retriever(few, build_index(few, "hnsw"))):
        items, scores = retriever.recommend(few.users[:2], np.arange(2), seen, 9)
        assert items.shape == (2, 4) and (items[0] == -1).all() and np.isneginf(scores[0]).all()
        assert set(items[1]) == {0, 1, 3, -1} and items[1, 3] == -1
        assert len(retriever.recommend(few.users[:2], np.zeros(0, int), seen, 3)[0]) == 0
        with pytest.raises(ValueError, match="k is 0"):
            retriever.recommend(few.users[:2], np.arange(2), seen, 0)


def test_few_sizes_are_compiled(recommender, dataset, monkeypatch):
    sizes = set()

    def recording(*arguments, block_users, **options):
        sizes.add((arguments[5], block_users))
        return original(*arguments, block_users=block_users, **options)

    original = module.top_k
    monkeypatch.setattr(module, "top_k", recording)
    for n, k in ((1, 1), (1, 10), (1, 16), (3, 5), (4, 12)):
        assert len(recommender.recommend(dataset.user_ids()[:n], k=k)) == n
    assert sizes == {(16, 1), (16, 8)}
