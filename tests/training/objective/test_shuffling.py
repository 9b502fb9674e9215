import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from symcere_jax.training.objective.shuffling import shuffled

N_KEYS = 2000


def _orders(n: int, n_places: int) -> np.ndarray:
    """The first places of many permutations, `[N_KEYS, n_places]`."""
    keys = jax.random.split(jax.random.key(0), N_KEYS)
    return np.asarray(jax.vmap(lambda key: shuffled(key, jnp.arange(n_places), n))(keys))


@pytest.mark.parametrize("n", [1, 2, 3, 1023, 1024, 1025, 70_001])
def test_every_value_stands_at_one_place(n):
    for seed in range(3):
        order = shuffled(jax.random.key(seed), jnp.arange(n), n)
        assert order.dtype == jnp.int32
        np.testing.assert_array_equal(np.sort(order), np.arange(n))


@settings(max_examples=10, deadline=None)
@given(n=st.integers(1, 2**31 - 1), seed=st.integers(0, 2**32 - 1))
def test_places_alone_give_what_they_give_together(n, seed):
    key = jax.random.key(seed)
    places = np.unique(np.linspace(0, n - 1, 4).astype(np.int32))
    together = np.asarray(shuffled(key, places, n))
    assert len(set(together.tolist())) == len(places)
    assert ((together >= 0) & (together < n)).all()
    for place, value in zip(places, together, strict=True):
        assert shuffled(key, jnp.int32(place), n) == value


@pytest.mark.parametrize("n", [1000, 1_500_000])
def test_values_are_uniform_and_neighbors_independent(n):
    values = (_orders(n, 500) + 0.5) / n
    # Far apart, so that the values of a row may count as drawn with replacement.
    assert stats.kstest(values[:, ::50].ravel(), "uniform").pvalue > 1e-3
    steps = (values[:, 1:] - values[:, :-1]) % 1
    assert stats.kstest(steps[:, ::50].ravel(), "uniform").pvalue > 1e-3
    for distance in (1, 2, 4, 64):
        first, second = values[:, :-distance].ravel(), values[:, distance:].ravel()
        # Without replacement, values are correlated by −1/(n − 1).
        expected = -1 / (n - 1)
        assert abs(np.corrcoef(first, second)[0, 1] - expected) < 4 / np.sqrt(len(first))


def test_means_of_batches_scatter_as_those_of_random_draws():
    n, batch = 70_001, 500
    means = (_orders(n, batch) / n).mean(axis=1)
    deviation = np.sqrt((1 - batch / n) / 12 / batch)
    # A standard deviation over 2,000 means is known to 1.6 %.
    assert means.std() == pytest.approx(deviation, rel=0.07)
    assert abs(means.mean() - 0.5) < 4 * deviation / np.sqrt(N_KEYS)


def test_all_orders_of_a_few_values_occur_about_as_often():
    found = np.unique(_orders(5, 5), axis=0, return_counts=True)[1]
    assert len(found) == 120
    assert found.min() > 0.25 * N_KEYS / 120
    assert found.max() < 2.5 * N_KEYS / 120


def test_a_place_takes_no_time_of_the_others():
    """No array of all values is made: two thousand million of them would not fit."""
    order = jax.jit(lambda key: shuffled(key, jnp.arange(4), 2**31 - 1))
    memory = order.lower(jax.random.key(0)).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 10_000
