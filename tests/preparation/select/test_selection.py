import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symcere_jax.errors import DataError
from symcere_jax.preparation.select.selection import NO_TIME, ids, select


@pytest.fixture
def select_rows(make_store):
    """Selects from rows of user, item and time."""

    def run(rows: list[tuple[str, str, int | None]], k: int = 1, texts=None, **settings):
        columns = dict(
            zip(("user_id", "item_id", "timestamp"), zip(*rows, strict=True), strict=True)
        )
        columns = {name: list(values) for name, values in columns.items()}
        store = make_store(columns | {"text": texts or [""] * len(rows)})
        selection = select(store, k=k, **settings)
        selection.user_ids = ids(store, "user", selection.user_codes)
        selection.item_ids = ids(store, "item", selection.item_codes)
        return selection

    return run


def pairs_of(selection) -> list[tuple[str, str]]:
    users, items = selection.user_ids.to_pylist(), selection.item_ids.to_pylist()
    pairs = zip(selection.user, selection.item, strict=True)
    return [(users[user], items[item]) for user, item in pairs]


ROWS = st.lists(
    st.tuples(st.sampled_from("cabü"), st.sampled_from("zyx"), st.none() | st.integers(0, 3)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_the_latest_of_a_pair_stays_sorted_by_id_with_dense_rows(select_rows, rows):
    latest: dict[tuple[str, str], int] = {}
    for row, (user, item, time) in enumerate(rows):
        before = rows[latest[user, item]][2] if (user, item) in latest else None
        if before is None or (time is not None and time >= before):
            latest[user, item] = row
    selection = select_rows(rows)
    assert pairs_of(selection) == sorted(latest)
    assert selection.row.tolist() == [latest[pair] for pair in sorted(latest)]
    times = [rows[row][2] for row in selection.row]
    assert selection.timestamp.tolist() == [NO_TIME if time is None else time for time in times]
    assert set(selection.user) == set(range(len(selection.user_ids)))
    assert set(selection.item) == set(range(len(selection.item_ids)))
    assert (selection.user.dtype, selection.item.dtype) == (np.int32, np.int32)
    assert sum(selection.dropped.values()) + len(selection.row) == len(rows)


def test_the_core_leaves_no_gaps(select_rows):
    rows = [(u, i, None) for u in "ac" for i in "xz"] + [("b", "x", None), ("c", "y", None)]
    selection = select_rows(rows, 2)
    assert selection.user_ids.to_pylist() == ["a", "c"]
    assert selection.item_ids.to_pylist() == ["x", "z"]
    assert selection.user.tolist() == [0, 0, 1, 1]
    assert selection.dropped["outside the k-core"] == 2


def test_an_empty_core_names_the_largest_that_is_not(select_rows):
    rows = [(u, i, None) for u in "ac" for i in "xz"]
    with pytest.raises(DataError, match=r"after --k_core=3; the largest .* is 2"):
        select_rows(rows, 3)


def test_of_copies_by_a_user_the_latest_stays(select_rows):
    rows = [
        ("a", "u", 5),
        ("a", "v", 9),
        ("a", "w", 9),
        ("b", "v", 1),
        ("a", "x", 1),
        ("a", "y", 2),
    ]
    copy = "Quiet rooms, and an excellent breakfast!"
    texts = [copy, copy, "quiet rooms and an\nexcellent breakfast", copy, " ", " "]
    assert len(select_rows(rows, texts=texts)) == 6
    selection = select_rows(rows, texts=texts, drop_copies=True)
    assert sorted(selection.row.tolist()) == [2, 3, 4, 5]
    assert selection.dropped["copy of a later review by the same user"] == 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 19, 2),
        ("x" * 20, 1),
        ("很安静的房间，早餐也很好吃，服务员非常热情，下次还会来住", 1),
        ("🙂" * 30, 2),
    ],
)
def test_short_texts_and_those_without_letters_are_no_copies(select_rows, text, kept):
    selection = select_rows([("a", "u", 1), ("a", "v", 2)], texts=[text] * 2, drop_copies=True)
    assert len(selection) == kept


def test_dropping_leaves_no_gaps(select_rows):
    selection = select_rows([(u, i, None) for u in "abc" for i in "xyz" if u != "b" or i == "y"])
    selection.drop(selection.item != 1, "of item y")
    assert selection.dropped["of item y"] == 3
    assert (selection.n_users, selection.n_items) == (2, 2)
    assert selection.user.tolist() == [0, 0, 1, 1]
    assert selection.item.tolist() == [0, 1, 0, 1]
    assert (selection.user_codes.tolist(), selection.item_codes.tolist()) == ([0, 2], [0, 2])
