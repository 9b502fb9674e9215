import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.preparation.select.k_core import k_core, largest_core

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=40)


def naive_k_core(pairs: list[tuple[int, int]], k: int) -> list[bool]:
    kept = [True] * len(pairs)
    while True:
        remaining = [pair for pair, stays in zip(pairs, kept, strict=True) if stays]
        users = [user for user, _ in remaining]
        items = [item for _, item in remaining]
        new = [
            stays and users.count(user) >= k and items.count(item) >= k
            for (user, item), stays in zip(pairs, kept, strict=True)
        ]
        if new == kept:
            return kept
        kept = new


@given(PAIRS, st.integers(1, 5))
def test_k_core_equals_a_naive_loop(pairs, k):
    user, item = np.array(pairs).T
    np.testing.assert_array_equal(k_core(user, item, k), naive_k_core(pairs, k))


def test_k_core_unravels_a_chain_in_many_rounds():
    # A path u0-i0-u1-i1-…: its ends fall first, then their neighbors, to the middle.
    user = np.repeat(np.arange(50), 2)[1:]
    item = np.repeat(np.arange(50), 2)[:-1]
    assert not k_core(user, item, 2).any()
    cycle = k_core(np.append(user, 0), np.append(item, 49), 2)
    assert cycle.all()


@given(PAIRS)
def test_largest_core_is_the_last_that_is_not_empty(pairs):
    user, item = np.array(pairs).T
    k = largest_core(user, item)
    assert any(naive_k_core(pairs, k))
    assert not any(naive_k_core(pairs, k + 1))
