import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.losses import ItemLists, pair_scores, ranking_losses

from . import oracles

# Compiled, as the training runs them.
bpr_terms = jax.jit(ranking_losses.bpr_terms)
catalog_sincere_terms = jax.jit(ranking_losses.catalog_sincere_terms, static_argnames="block_size")
in_batch_sincere_terms = jax.jit(ranking_losses.in_batch_sincere_terms)
history_mask = jax.jit(
    lambda rows, lists: ranking_losses.history_mask(rows, ItemLists.from_rows(lists))
)

TEMPERATURE = 0.2
N_ITEMS = 11


def _rows(n_rows, seed, width=4):
    rows = np.random.default_rng(seed).standard_normal((n_rows, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# Five interactions; item 4 occurs twice, and histories name items inside and outside the batch.
USERS = _rows(5, 1)
ITEMS = _rows(N_ITEMS, 2)
BIAS = np.linspace(-1.0, 1.0, N_ITEMS, dtype=np.float32)
POSITIVES = np.array([4, 0, 4, 9, 2], np.int32)
HISTORY = np.array(
    [[0, 4, N_ITEMS], [0, 5, 9], [4, N_ITEMS, N_ITEMS], [2, 9, 10], [2, N_ITEMS, N_ITEMS]], np.int32
)
NO_HISTORY = np.zeros((5, 0), np.int32)


def _scores(users=USERS, items=ITEMS, bias=BIAS):
    return users.astype(np.float64) @ items.astype(np.float64).T / TEMPERATURE + bias


def _pair_scores(users=USERS, items=ITEMS, rows=POSITIVES, bias=BIAS, temperature=TEMPERATURE):
    bias = None if bias is None else bias[rows]
    return pair_scores(users, items[rows], temperature, bias)


def _mean(terms):
    return terms[0] / terms[1]


def _catalog_oracle(excluded):
    positives = np.arange(N_ITEMS) == POSITIVES[:, None]
    negatives = ~positives
    for user, items in enumerate(excluded):
        negatives[user, items[items < N_ITEMS]] = False
    return oracles.sincere(_scores(), positives, negatives)


def test_pair_scores_are_those_of_the_matrix():
    rows = np.arange(len(POSITIVES))
    expected = _scores()[rows, POSITIVES]
    found = _pair_scores()
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    no_bias = pair_scores(USERS.astype(jnp.bfloat16), ITEMS[POSITIVES], TEMPERATURE)
    assert no_bias.dtype == jnp.float32
    np.testing.assert_allclose(no_bias, expected - BIAS[POSITIVES], atol=0.05)


@pytest.mark.parametrize("block_size", [1, 4, 64])
@pytest.mark.parametrize("excluded", [NO_HISTORY, HISTORY], ids=["same_item", "history"])
def test_catalog_matches_a_float64_loop(excluded, block_size):
    terms = catalog_sincere_terms(
        _pair_scores(),
        USERS,
        POSITIVES,
        ITEMS,
        ItemLists.from_rows(excluded) if excluded.size else None,
        TEMPERATURE,
        item_bias=BIAS,
        block_size=block_size,
    )
    np.testing.assert_allclose(_mean(terms), _catalog_oracle(excluded), rtol=1e-5)
    assert terms[1] == 5.0


@pytest.mark.parametrize("block_size", [4, 64])
def test_catalog_history_gets_no_gradient(block_size):
    def loss(items, bias):
        terms = catalog_sincere_terms(
            _pair_scores(USERS[:1], items, POSITIVES[:1], bias),
            USERS[:1],
            POSITIVES[:1],
            items,
            ItemLists.from_rows(HISTORY[:1]),
            TEMPERATURE,
            item_bias=bias,
            block_size=block_size,
        )
        return _mean(terms)

    items, bias = jax.grad(loss, (0, 1))(ITEMS, BIAS)
    np.testing.assert_array_equal(items[0], 0.0)
    assert set(np.flatnonzero(bias)) == set(range(1, N_ITEMS))
    assert bias[4] < 0.0 < np.delete(np.asarray(bias), [0, 4]).min()


def _in_batch_oracle(false_negatives, users=USERS, bias=BIAS):
    scores = _scores(users, bias=bias)[:, POSITIVES]
    n_rows = len(POSITIVES)
    positives, negatives = np.zeros((2, n_rows, n_rows), bool)
    for a in range(n_rows):
        for c in range(n_rows):
            positives[a, c] = a == c
            out = {
                "none": False,
                "same_item": POSITIVES[c] == POSITIVES[a],
                "history": POSITIVES[c] == POSITIVES[a] or POSITIVES[c] in HISTORY[a],
            }[false_negatives]
            negatives[a, c] = a != c and not out
    return oracles.sincere(scores, positives, negatives)


def _is_excluded(false_negatives, part=slice(None), rows=POSITIVES, histories=HISTORY):
    """Which interactions of the batch are no negatives."""
    if false_negatives == "none":
        return np.eye(len(rows), dtype=bool)[part]
    same = rows[part, None] == rows
    return same | (history_mask(rows, histories[part]) & (false_negatives == "history"))


def _in_batch(false_negatives, part=slice(None), users=USERS, bias=BIAS):
    return in_batch_sincere_terms(
        _pair_scores(users[part], rows=POSITIVES[part], bias=bias),
        users[part],
        ITEMS[POSITIVES],
        _is_excluded(false_negatives, part),
        TEMPERATURE,
        candidate_bias=bias[POSITIVES],
    )


@pytest.mark.parametrize("false_negatives", ["none", "same_item", "history"])
def test_in_batch_matches_a_float64_loop(false_negatives):
    expected = _in_batch_oracle(false_negatives)
    np.testing.assert_allclose(_mean(_in_batch(false_negatives)), expected, rtol=1e-5)
    # Two devices, each with its own users and all items, add their terms.
    parts = [_in_batch(false_negatives, part) for part in (slice(0, 2), slice(2, 5))]
    total, count = (sum(values) for values in zip(*parts, strict=True))
    np.testing.assert_allclose(total / count, expected, rtol=1e-5)


def test_each_kind_of_false_negative_is_told_apart():
    losses = [_in_batch_oracle(kind) for kind in ("none", "same_item", "history")]
    assert losses[0] > losses[1] > losses[2]


def test_in_batch_history_gets_no_gradient():
    def loss(bias):
        return _mean(_in_batch("history", slice(0, 1), bias=bias))

    gradient = jax.grad(loss)(BIAS)
    # User 0: item 4 is the positive, 0 is history, 9 and 2 are negatives; the rest is elsewhere.
    assert set(np.flatnonzero(gradient)) == {2, 4, 9}
    assert gradient[4] < 0.0 < min(gradient[2], gradient[9])


def test_in_batch_serves_the_other_direction():
    # Items as anchors, users as candidates; users of equal rows are no negatives of each other.
    user_rows = np.array([0, 1, 0, 2, 3], np.int32)
    terms = in_batch_sincere_terms(
        _pair_scores(bias=None),
        ITEMS[POSITIVES],
        USERS,
        _is_excluded("same_item", rows=user_rows),
        TEMPERATURE,
    )
    scores = _scores(bias=0.0)[:, POSITIVES].T
    negatives = user_rows[:, None] != user_rows
    expected = oracles.sincere(scores, np.eye(5, dtype=bool), negatives)
    np.testing.assert_allclose(_mean(terms), expected, rtol=1e-5)


@settings(max_examples=16, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=4, max_size=4),
    st.lists(st.lists(st.integers(0, 8), min_size=3, max_size=3), min_size=2, max_size=2),
)
def test_in_history_finds_every_listed_item(rows, histories):
    found = history_mask(np.array(rows, np.int32), np.array(histories, np.int32))
    np.testing.assert_array_equal(
        found, [[row in history for row in rows] for history in histories]
    )
    assert not history_mask(POSITIVES, np.zeros((3, 0), np.int32)).any()


def test_bpr_matches_a_float64_loop():
    negatives = np.array([1, 3, 5, 6, 7])
    terms = bpr_terms(_pair_scores(), _pair_scores(rows=negatives))
    scores = _scores()
    losses = [
        -np.log(1.0 / (1.0 + np.exp(scores[u, j] - scores[u, i])))
        for u, (i, j) in enumerate(zip(POSITIVES, negatives, strict=True))
    ]
    np.testing.assert_allclose(_mean(terms), np.mean(losses), rtol=1e-5)
    assert terms[1] == 5.0
    keep = np.array([True, False, True, True, False])
    some = bpr_terms(_pair_scores(), _pair_scores(rows=negatives), keep)
    np.testing.assert_allclose(some, (np.array(losses)[keep].sum(), 3), rtol=1e-5)


def test_a_user_who_has_seen_everything_has_a_loss_of_zero():
    everything = ItemLists.from_rows(np.arange(N_ITEMS, dtype=np.int32)[None, :])

    def loss(users, items):
        rows = POSITIVES[:1]
        scores = _pair_scores(users, items, rows, None)
        return catalog_sincere_terms(
            scores, users, rows, items, everything, TEMPERATURE, block_size=4
        )[0]

    value, gradients = jax.value_and_grad(loss, (0, 1))(USERS[:1], ITEMS)
    assert value == 0.0
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0.0)
