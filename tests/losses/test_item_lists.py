import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symcere_jax.losses import ExcludedCandidates, ItemLists, ItemRows

N_COLUMNS = 300
N_ITEMS = 1000


@functools.partial(jax.jit, static_argnums=2)
def mask(lists, column_of_item, n_columns=N_COLUMNS):
    return lists.mask(n_columns, lambda items: column_of_item[items])


def _lists(lengths, n_read, first, seed):
    """Lists that lie in any order in an array, and the same as Python lists of what is read."""
    rng = np.random.default_rng(seed)
    n = len(lengths)
    items = rng.integers(0, N_ITEMS, 2_100).astype(np.int32)  # one shape, compiled once
    order = rng.permutation(n)
    start = np.zeros(n, np.int32)
    start[order] = np.cumsum([5, *np.array(lengths)[order]])[:-1]
    first = [f % max(length, 1) for f, length in zip(first, lengths, strict=True)]
    n_read = np.minimum(n_read, lengths)
    read = []
    for list_number in range(n):
        whole = items[start[list_number] : start[list_number] + lengths[list_number]].tolist()
        begin = first[list_number]
        read.append((whole[begin:] + whole[:begin])[: n_read[list_number]])
    return ItemLists(*map(jnp.int32, (items, start, lengths, n_read, first))), read


@settings(max_examples=20, deadline=None)
@given(
    # Whole tiles and parts of them, empty lists, and lists that take several passes.
    lengths=st.lists(st.sampled_from([0, 1, 31, 32, 33, 64, 500]), min_size=4, max_size=4),
    n_read=st.lists(st.sampled_from([0, 32, 400, 1000]), min_size=4, max_size=4),
    first=st.lists(st.integers(0, 600), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
def test_marks_are_those_of_a_loop(lengths, n_read, first, seed):
    lists, read = _lists(lengths, n_read, first, seed)
    # Columns of about half of the items; others are before the first one, or behind the last.
    column_of = np.random.default_rng(seed).integers(-150, 450, N_ITEMS)
    expected = np.zeros((len(lengths), N_COLUMNS), bool)
    for number, items in enumerate(read):
        for item in items:
            if 0 <= column_of[item] < N_COLUMNS:
                expected[number, column_of[item]] = True
    np.testing.assert_array_equal(mask(lists, jnp.int32(column_of)), expected)


def test_one_long_list_among_short_ones_is_read_to_its_end():
    lists, read = _lists([1, 990, 2], [1, 990, 2], [0, 0, 1], seed=0)
    found = mask(lists, jnp.arange(N_ITEMS), N_ITEMS)
    assert [set(np.flatnonzero(row)) for row in found] == [set(items) for items in read]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_no_lists_and_no_items_leave_no_marks(shape):
    lists = ItemLists.from_rows(np.zeros(shape, np.int32))
    found = lists.mask(4, lambda items: items)
    assert found.shape == (shape[0], 4)
    assert not found.any()


def test_excluded_candidates_are_named_by_their_items_and_by_their_rows():
    lists = ItemLists.from_rows(np.int32([[3, 1, 9], [0, 0, 2]]))
    # Candidates are items 3, 0 and 2 of the cycle 0, 2, 4, 1, 3; item 9 is not known.
    rows = ItemRows(places=jnp.int32([0, 3, 1, 4, 2]), first=jnp.int32(4))
    excluded = ExcludedCandidates(lists, rows, positives=jnp.int32([2, -1]))
    whole = np.zeros((2, 3), bool)
    whole[0, [0, 2]] = whole[1, [1, 2]] = True
    np.testing.assert_array_equal(excluded.mask(0, 3), whole)
    np.testing.assert_array_equal(excluded.mask(1, 2), whole[:, 1:])
    without = ExcludedCandidates(lists).mask(1, 4)
    np.testing.assert_array_equal(
        without, [[True, False, True, False], [False, True, False, False]]
    )


@settings(max_examples=12, deadline=None)
@given(n_items=st.sampled_from([1, 2, 40]), data=st.data())
def test_rows_are_those_of_a_stretch_of_the_cycle(n_items, data):
    first = data.draw(st.integers(0, n_items - 1))
    n_candidates = data.draw(st.integers(0, n_items))
    cycle = np.random.default_rng(n_items).permutation(n_items)
    candidates = np.roll(cycle, -first)[:n_candidates].tolist()
    rows = ItemRows(jnp.argsort(cycle), jnp.int32(first)).of(jnp.arange(n_items + 3))
    for item, row in enumerate(rows.tolist()):
        if item in candidates:
            assert candidates[row] == item
        else:
            assert row >= n_candidates
