import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.selection import select
from data_prep.sources.raw import RAW_SCHEMA, Origin, RawReviews
from symcere_jax.errors import DataError


def raw_reviews(rows: list[tuple[str, str, int | None]], chunk: int = 3) -> RawReviews:
    dicts = [{"user_id": u, "item_id": i, "timestamp": t} for u, i, t in rows]
    chunks = [dicts[start : start + chunk] for start in range(0, len(dicts), chunk)]
    table = pa.concat_tables(
        [RAW_SCHEMA.empty_table(), *(pa.Table.from_pylist(part, RAW_SCHEMA) for part in chunks)]
    )
    lines = np.arange(1, len(rows) + 1)
    origin = Origin(("file, line",), np.zeros(len(rows), np.int32), lines)
    return RawReviews(table, origin, len(rows) + 2, {"too odd": 2}, {}, ())


def pairs_of(selection) -> list[tuple[str, str]]:
    users, items = selection.user_ids.to_pylist(), selection.item_ids.to_pylist()
    pairs = zip(selection.user, selection.item, strict=True)
    return [(users[user], items[item]) for user, item in pairs]


ROWS = st.lists(
    st.tuples(st.sampled_from("cabü"), st.sampled_from("zyx"), st.none() | st.integers(0, 3)),
    min_size=1,
    max_size=25,
)


@given(ROWS)
def test_one_row_a_pair_sorted_by_id_with_dense_rows(rows):
    selection = select(raw_reviews(rows), 1)
    assert pairs_of(selection) == sorted({(user, item) for user, item, _ in rows})
    assert [rows[row][:2] for row in selection.row] == pairs_of(selection)
    assert set(selection.user) == set(range(len(selection.user_ids)))
    assert set(selection.item) == set(range(len(selection.item_ids)))
    assert (selection.user.dtype, selection.item.dtype) == (np.int32, np.int32)
    assert sum(selection.dropped.values()) + len(selection.row) == len(rows) + 2


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows, random):
    rows = list(dict.fromkeys(rows))  # of equal rows, none is the last
    shuffled = random.sample(rows, len(rows))
    first, second = select(raw_reviews(rows), 1), select(raw_reviews(shuffled), 1)
    assert pairs_of(first) == pairs_of(second)
    assert [rows[row] for row in first.row] == [shuffled[row] for row in second.row]


def test_the_core_leaves_no_gaps():
    rows = [(u, i, None) for u in "ac" for i in "xz"] + [("b", "x", None), ("c", "y", None)]
    selection = select(raw_reviews(rows), 2)
    assert selection.user_ids.to_pylist() == ["a", "c"]
    assert selection.item_ids.to_pylist() == ["x", "z"]
    assert selection.user.tolist() == [0, 0, 1, 1]
    assert selection.dropped["outside the k-core"] == 2


def test_an_empty_core_names_the_largest_that_is_not():
    rows = [(u, i, None) for u in "ac" for i in "xz"]
    with pytest.raises(DataError, match=r"after --k_core=3; the largest .* is 2"):
        select(raw_reviews(rows), 3)


def test_no_rows_at_all():
    with pytest.raises(DataError, match=r"no review is left of 2 rows \(dropped: 2 too odd\)"):
        select(raw_reviews([]), 1)
