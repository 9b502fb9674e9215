import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.data.interactions import Interactions

N_USERS, N_ITEMS = 6, 9
PAIRS = st.lists(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)), unique=True, max_size=40
)
USERS = st.lists(st.integers(0, N_USERS - 1), max_size=10)


def _group(pairs):
    return Interactions.from_pairs(np.array(pairs, np.int32).reshape(-1, 2), N_USERS)


def _lists(pairs, users):
    """The items of each of `users`, ascending."""
    return [sorted(item for user, item in pairs if user == wanted) for wanted in users]


@given(PAIRS)
def test_each_user_has_its_items_ascending(pairs):
    seen, lists = _group(pairs), _lists(pairs, range(N_USERS))
    assert (seen.indptr.dtype, seen.indices.dtype) == (np.int64, np.int32)
    assert [seen.row(user).tolist() for user in range(N_USERS)] == lists
    assert seen.counts().tolist() == list(map(len, lists))
    assert seen.n_users == N_USERS
    matrix = np.zeros((N_USERS, N_ITEMS), np.float32)
    for user, item in pairs:
        matrix[user, item] = 1
    np.testing.assert_array_equal(seen.matrix(N_ITEMS).toarray(), matrix)
    joined = Interactions.from_rows([np.array(items, np.int64) for items in lists])
    assert (joined.indptr.dtype, joined.indices.dtype) == (np.int64, np.int32)
    np.testing.assert_array_equal(joined.indptr, seen.indptr)
    np.testing.assert_array_equal(joined.indices, seen.indices)


@given(PAIRS, USERS)
def test_items_of_some_users(pairs, users):
    seen, lists = _group(pairs), _lists(pairs, users)
    rows = np.array(users, int)
    assert seen.counts(rows).tolist() == [len(items) for items in lists]
    places, items = seen.flat(rows)
    assert items.dtype == np.int32
    assert list(zip(places.tolist(), items.tolist(), strict=True)) == [
        (place, item) for place, items in enumerate(lists) for item in items
    ]


def test_no_items_and_other_values():
    assert Interactions.empty(3).counts().tolist() == [0, 0, 0]
    matrix = Interactions.from_rows([[1, 2], [], [0]]).matrix(4, np.float32([5, 6, 7]))
    assert matrix.toarray().tolist() == [[0, 5, 6, 0], [0, 0, 0, 0], [7, 0, 0, 0]]
    assert matrix.dtype == np.float32
