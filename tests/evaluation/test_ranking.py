from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.data.interactions import Interactions
from symcere_jax.errors import SymcereError
from symcere_jax.evaluation import ranking
from symcere_jax.evaluation.ranking import best_columns, top_k

from . import folders
from .folders import lookup


def _seen(pairs, n_users):
    return Interactions.from_pairs(np.array(pairs, np.int32).reshape(-1, 2), n_users)


def _check(scores, seen_pairs, users, k, **options):
    """Compares with a sort in plain Python."""
    n_users, n_items = scores.shape
    seen = _seen(seen_pairs, n_users)
    items, values, _ = top_k(lookup, scores, users, seen, n_items, k, **options)
    assert items.shape == values.shape == (len(users), k)
    assert items.dtype == np.int32
    assert values.dtype == np.float32
    for row, user in enumerate(users):
        hidden = {i for u, i in seen_pairs if u == user}
        expected = folders.rank(scores[user].tolist(), hidden, k)
        n_found = len(expected)
        assert items[row].tolist() == expected + [-1] * (k - n_found)
        np.testing.assert_array_equal(values[row, :n_found], scores[user][expected])
        assert np.isneginf(values[row, n_found:]).all()


def _scores(n_users, n_items, seed=0):
    # Few distinct values, so that there are ties, also of 0 and −0.
    values = np.float32([-1.5, -0.0, 0.0, 2.0, 3.5])
    return values[np.random.default_rng(seed).integers(0, 5, (n_users, n_items))]


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 10_000), st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), unique=True)
)
def test_equals_a_sort_with_ties_by_item_row(seed, seen_pairs):
    _check(_scores(7, 9, seed), seen_pairs, np.arange(7), 5, block_users=4)


@pytest.mark.parametrize("at_once", [1, 5])
def test_blocks_that_are_ranked_at_once_stay_in_order(at_once, monkeypatch):
    monkeypatch.setattr(ranking, "_blocks_at_once", lambda n_devices: at_once)
    seen = [(user, item) for user in range(40) for item in range(user % 4)]
    done = []
    options = {"block_users": 3, "progress": lambda n, total: done.append((n, total))}
    _check(_scores(40, 6), seen, np.arange(40)[::-1], 4, **options)
    step = 3 * jax.local_device_count()
    assert done == [(min(start + step, 40), 40) for start in range(0, 40, step)]


@pytest.mark.parametrize("k", [6, 7, 20])
def test_k_beyond_the_catalog_is_padded(k):
    _check(_scores(3, 6), [(0, 1), (2, 0), (2, 5)], np.arange(3), k)


def test_a_block_is_compiled_once():
    traces = []

    def score(params, users):
        traces.append(users.shape)
        return params[users]

    scores = _scores(50, 6)
    for seen in ([(0, 1), (0, 2)], [(0, 1), (0, 2), (0, 3)]):  # of about the same length
        top_k(score, scores, np.arange(50), _seen(seen, 50), 6, 2, block_users=4)
    assert traces == [(4,)]


def _measured(n_users, k=5, block_users=4, **options):
    """Rankings and metrics of users with a few relevant items each, user 2 with many."""
    scores = _scores(n_users, 40)
    users = np.arange(n_users)
    relevant = [(u, i) for u in users for i in range(u % 7, 40, 1 if u == 2 else 9)]
    seen, relevant = _seen([(0, 1), (1, 39)], n_users), _seen(relevant, n_users)
    options |= {"block_users": block_users}
    options |= {"relevant": relevant, "ks": (1, k)}
    items, _, metrics = top_k(lookup, scores, users, seen, 40, k, **options)
    return items, metrics


def test_metrics_of_a_block_are_compiled_once_and_from_the_block_alone(monkeypatch):
    shapes = []

    def spy(*arrays, ks):
        shapes.append([array.shape for array in arrays])
        return ranking_metrics(*arrays, ks=ks)

    ranking_metrics = ranking.ranking_metrics
    monkeypatch.setattr(ranking, "ranking_metrics", spy)
    for n_users in (50, 37, 3):
        _measured(n_users, k=6)  # cutoffs that no other test has
    assert shapes == [[(4, 6), (4,), (1024,), (1024,)]]


def test_float64_is_that_of_the_metrics_alone():
    types = []

    def score(params, users):
        types.append((jnp.arange(2).dtype, jnp.ones(2).dtype))
        return params[users]

    one = _seen([(0, 0)], 1)
    scores = _scores(1, 6)
    options = {"relevant": one, "ks": (2,)}
    *_, metrics = top_k(score, scores, np.arange(1), _seen([], 1), 6, 2, **options)
    assert types == [(np.int32, np.float32)]
    assert jnp.ones(2).dtype == np.float32
    assert {values.dtype for values in metrics.values()} == {np.dtype(np.float64)}


def test_blocks_are_limited_by_the_bytes_of_their_scores():
    shapes = []

    def score(params, users):
        shapes.append(users.shape)
        return jnp.broadcast_to(params, (len(users), len(params)))

    n_items = 2**20
    scores = np.zeros(n_items, np.float32)
    items, *_ = top_k(score, scores, np.arange(2), _seen([(0, 0)], 2), n_items, 2)
    assert shapes == [(4,)]  # 4 users × 2²⁰ items × 4 bytes = 16 MiB
    np.testing.assert_array_equal(items, [[1, 2], [0, 1]])


@pytest.mark.parametrize("n_items", [6, 5000])
def test_a_model_with_what_is_not_a_number_is_an_error(n_items):
    scores = _scores(5, n_items)
    scores[3, n_items - 1] = np.nan  # of a user who is not even ranked
    with pytest.raises(SymcereError, match=r"values that are not numbers"):
        top_k(lookup, scores, np.arange(3), _seen([], 5), n_items, 2)


def _divided(params, users):
    """Scores that may be no numbers, or infinite, of parameters that are finite."""
    return params["above"][users] / params["below"][users]


@pytest.mark.parametrize("n_items", [6, 5000])
@pytest.mark.parametrize("above", [0.0, 1.0])
def test_scores_that_are_not_finite_are_an_error(n_items, above):
    params = {"above": np.full((5, n_items), above, np.float32), "below": _scores(5, n_items) + 4}
    params["below"][3] = 0.0
    with pytest.raises(SymcereError, match=r"user row 3 are not finite \(1 such users\)"):
        top_k(_divided, params, np.arange(5), _seen([], 5), n_items, 2)


@pytest.mark.parametrize(
    ("n_items", "k", "options", "message"),
    [
        (6, 0, {}, "must be at least 1"),
        (6, 1, {"block_users": 0}, "must be at least 1"),
        (7, 2, {"block_users": 2}, r"shape \(2, 6\), expected \(2, 7\)"),
        (6, 2, {"relevant": _seen([(0, 0)], 2), "ks": (2,)}, "no relevant item"),
    ],
)
def test_what_does_not_fit_is_refused(n_items, k, options, message):
    with pytest.raises(ValueError, match=message):
        top_k(lookup, _scores(2, 6), np.arange(2), _seen([], 2), n_items, k, **options)


# Runs in a process of its own: the number of devices is fixed once JAX has started.
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[3])
import jax, numpy as np
from symcere_jax.evaluation import evaluate, ranking
import folders

n_devices, path = int(sys.argv[1]), sys.argv[2]
assert jax.local_device_count() == n_devices
data = folders.random_dataset(n_users=101)
rng = np.random.default_rng(1)
params = [rng.standard_normal((n, 8)).astype(np.float32) for n in (data.n_users, data.n_items)]
# Parameters that lie on a device are spread to the others once, not with every block.
params = jax.device_put(params)
score = lambda params, users: params[0][users] @ params[1].T
ranking._MAX_BLOCK_USERS = 5
found = evaluate(score, params, data, "test", ks=(3, 7))
per_user = {f"{name} of users": values for name, values in found.per_user.items()}
np.savez(path, recommended=found.recommended, users=found.users, **found.metrics, **per_user)
"""


def test_one_device_and_eight_give_identical_results(run_on_devices, tmp_path):
    paths = [tmp_path / f"{n_devices}.npz" for n_devices in (1, 8)]
    for n_devices, path in zip((1, 8), paths, strict=True):
        run_on_devices(n_devices, SCRIPT, n_devices, path, Path(__file__).parent)
    one, eight = (np.load(path) for path in paths)
    assert len(one["users"]) % 5 != 0
    assert one["ndcg@7"] > 0.0
    assert one.files == eight.files
    for name in one.files:
        np.testing.assert_array_equal(eight[name], one[name])


@pytest.mark.parametrize(
    ("n_columns", "k"), [(1, 1), (9, 9), (64, 4), (500, 1), (1999, 3), (2000, 12)]
)
def test_the_best_columns_are_those_of_a_stable_sort(n_columns, k):
    search = jax.jit(best_columns, static_argnums=1)
    for seed, n_values in enumerate((2, 3, 10, 50, 50, 1)):
        rng = np.random.default_rng(seed)
        # Few distinct values and many ties; nothing but −∞ in some rows and at the end of others.
        scores = rng.integers(0, n_values, (3, n_columns)).astype(np.float32)
        scores[rng.random(3) < 0.2] = -np.inf
        scores[:, rng.integers(n_columns + 1) :] = -np.inf
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best, columns = map(np.asarray, search(scores, k))
        np.testing.assert_array_equal(best, np.take_along_axis(scores, expected, axis=1))
        found = best > -np.inf  # which −∞ comes first does not matter
        np.testing.assert_array_equal(columns[found], expected[found])
        assert (np.diff(np.sort(columns, axis=1)) > 0).all()
        assert columns.max() < n_columns
