import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.data import Interactions
from symcere_jax.models import (
    Embeddings,
    ItemNeighbors,
    Mixture,
    Share,
    column_shares,
    mix,
    neighbor_embeddings,
    popularity_embeddings,
    score_block,
    score_factors,
    score_spread,
)
from symcere_jax.models.fold_in import FoldIn
from symcere_jax.models.word_neighbors import word_neighbors
from symcere_jax.training.trained import embed

from . import small

ALL_USERS = np.arange(small.N_USERS)


def draw(seed, dim=3, n_users=6, n_items=5, **more):
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(n_users, dim)), rng.normal(size=(n_items, dim)) + 0.5
    fields = {"users": users, "items": items, "item_bias": rng.normal(size=n_items), **more}
    return Embeddings(**{name: jnp.asarray(x, jnp.float32) for name, x in fields.items()})


def dense(embeddings):
    n_users = len(embeddings.joined().users)
    return np.asarray(score_block(embeddings, np.arange(n_users)), np.float64)


@settings(max_examples=20)
@given(
    st.integers(0, 1000), st.integers(0, 4), st.integers(1, 6), st.integers(1, 5), st.integers(1, 7)
)
def test_the_spread_is_that_of_all_scores(seed, dim, n_users, n_items, block):
    rng = np.random.default_rng(seed)
    near = {"user_neighbors": rng.normal(size=(n_users, 2)),
            "item_neighbors": rng.normal(size=(n_items, 2))}  # fmt: skip
    embeddings = draw(seed, dim, n_users, n_items, **near if seed % 2 else {})
    scores = dense(embeddings)
    expected = (scores - scores.mean(axis=1, keepdims=True)).std()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("symcere_jax.models.mixture._BLOCK_ROWS", block)
        assert score_spread(embeddings) == pytest.approx(expected, abs=1e-5)


def test_scores_of_a_mixture_are_the_weighted_sum():
    rng = np.random.default_rng(4)
    near = {"user_neighbors": rng.normal(size=(6, 2)), "item_neighbors": rng.normal(size=(5, 2))}
    experts = {"graph": draw(0), "text": draw(1, 7), "near": draw(2, 0, **near)}
    weights = {"graph": 0.7, "text": 0.0, "near": 2.5}
    shares = column_shares(experts, weights)
    mixed = mix(experts, shares)
    expected = sum(weights[name] * dense(expert) for name, expert in experts.items())
    np.testing.assert_allclose(dense(mixed), expected, rtol=1e-4, atol=1e-5)
    factors = mixed.factors()
    np.testing.assert_allclose(factors.users @ factors.items.T, expected, rtol=1e-4, atol=1e-5)
    assert {name: share.weight for name, share in shares.items()} == pytest.approx(weights)


def test_half_users_score_by_the_same_rows_in_float32():
    near = {"user_neighbors": np.ones((6, 2)) / 3, "item_neighbors": np.ones((5, 2))}
    half = draw(5, **near).with_half_users()
    rounded = {name: np.asarray(getattr(half, name), np.float32) for name in near | {"users": 0}}
    expected = rounded["users"] @ half.items.T + half.item_bias
    expected += rounded["user_neighbors"] @ half.item_neighbors.T
    assert half.users.dtype == half.user_neighbors.dtype == half.factors().users.dtype == "float16"
    for scores in (score_block(half, np.arange(6)), score_factors(half.factors(), np.arange(6))):
        assert scores.dtype == "float32"
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_cosines_of_items_weight_experts_as_scores_do():
    def unit_items(seed, size):
        found = draw(seed, 4)
        rows = found.items / np.linalg.norm(found.items, axis=1, keepdims=True)
        return dataclasses.replace(found, items=rows, users=size * rows)

    experts = {"large": unit_items(0, 10.0), "small": unit_items(1, 1.0), "out": unit_items(2, 1.0)}
    shares = column_shares(experts, {"large": 0.3, "small": 1.0, "out": 0.0})
    squares = np.array([share.items**2 for share in shares.values()])
    np.testing.assert_allclose(squares, np.array([0.75, 0.25, 0.05]) / 1.05, rtol=1e-5)
    items = np.asarray(mix(experts, shares).items)
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1, rtol=1e-5)


def test_popularity_is_the_logarithm():
    counts = np.array([0, 3, 10])
    scores = dense(popularity_embeddings(counts, 2))
    np.testing.assert_allclose(scores, np.log([[1, 4, 11]] * 2), rtol=1e-6)


@pytest.fixture(scope="module")
def experts():
    """A graph expert and one that reads texts: fold-ins, and their embeddings."""
    found = {}
    for name, changes in {"graph": {"text_encoder": "none"}, "aligned": {"n_layers": 2}}.items():
        model, inputs = small.build(**changes)
        params = small.random_params(model, inputs)
        found[name] = FoldIn.of(model, params, inputs), embed(model)(params, inputs), inputs
    return found


@pytest.fixture(scope="module")
def mixture(experts):
    words = scipy.sparse.random(small.N_ITEMS, 9, 0.5, format="csr", random_state=0)
    neighbors = word_neighbors(words, np.eye(small.N_ITEMS, small.WIDTH))
    features = np.random.default_rng(3).normal(size=(small.N_ITEMS, 4)).astype(np.float32)
    times = ItemNeighbors(features)
    shares = {
        "popularity": Share(0.5, 1.0),
        "graph": Share(2.0, 0.25),
        "aligned": Share(0.5, 3.0),
        "neighbors": Share(4.0, 1.0),
        "times": Share(3.0, 1.0),
    }
    fold_ins = {name: fold_in for name, (fold_in, *_) in experts.items()}
    return Mixture(fold_ins, shares, {"neighbors": neighbors, "times": times})


def test_new_users_score_as_the_experts_say(experts, mixture):
    items = Interactions.from_rows([[0, 2], [4]])
    text = np.random.default_rng(0).normal(size=(2, small.WIDTH)).astype(np.float32)
    found = mixture.user_rows(items, text)
    graph, aligned = (experts[name][0] for name in ("graph", "aligned"))
    expected = [2.0 * graph.users(items)[0], 0.5 * aligned.users(items, text)[0]]
    np.testing.assert_allclose(found["users"], np.concatenate(expected, axis=1), rtol=1e-5)
    words, times = (mixture.neighbors[name].user_columns(items) for name in ("neighbors", "times"))
    near = np.concatenate([4.0 * words, 3.0 * times], axis=1)
    np.testing.assert_allclose(found["user_neighbors"], near, rtol=1e-5)
    alone = dataclasses.replace(mixture, neighbors={})
    assert set(alone.user_rows(items)) == {"users"}


def test_new_items_score_as_the_experts_say(experts, mixture):
    text = np.random.default_rng(1).normal(size=(3, small.WIDTH)).astype(np.float32)
    counts = np.array([0.0, 2.0, 5.0])
    found = mixture.item_rows(text, counts)
    aligned = 3.0 * experts["aligned"][0].items(text)
    width = experts["graph"][0].dim
    assert not found["items"][:, :width].any()  # a graph knows nothing of them
    np.testing.assert_allclose(found["items"][:, width:], aligned, rtol=1e-5)
    words, times = np.split(found["item_neighbors"], [-4], axis=1)
    np.testing.assert_allclose(words, mixture.neighbors["neighbors"].features_of(text), rtol=1e-5)
    assert not times.any()  # of what is new no time is known
    priors = {name: float(fold.params["popularity_weight"]) for name, (fold, *_) in experts.items()}
    prior = 0.5 + 0.5 * priors["graph"] + 1.5 * priors["aligned"]
    np.testing.assert_allclose(found["item_bias"], prior * np.log1p(counts), rtol=1e-5)


def test_a_mixture_with_new_items_serves_users_who_like_them(mixture):
    text = np.random.default_rng(2).normal(size=(1, small.WIDTH)).astype(np.float32)
    more = mixture.with_items(text, np.array([3.0]))
    rows = more.user_rows(Interactions.from_rows([[small.N_ITEMS]]))
    width = more.experts["graph"].dim
    assert not rows["users"][:, :width].any() and rows["users"][:, width:].any()
    near = 4.0 * mixture.neighbors["neighbors"].features_of(text)
    words, times = np.split(rows["user_neighbors"], [-4], axis=1)
    np.testing.assert_allclose(words, near, rtol=1e-4, atol=1e-6)
    assert not times.any()


def test_neighbors_are_an_expert():
    words = scipy.sparse.random(7, 5, 0.6, format="csr", random_state=1)
    neighbors = word_neighbors(words, np.eye(7))
    users = neighbors.user_columns(Interactions.from_rows([[0, 3], []]))
    found = dense(neighbor_embeddings(neighbors, users))
    np.testing.assert_allclose(found, users @ neighbors.features.T)
