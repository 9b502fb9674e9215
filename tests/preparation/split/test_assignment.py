from collections import Counter

import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.select.selection import select
from symcere_jax.preparation.settings import SplitSettings
from symcere_jax.preparation.split.assignment import cold_counts, split_reviews


@pytest.fixture
def split_rows(make_store):
    """Splits rows of user, item, time and split code: settings, splits by pair, selection."""

    def run(rows, **settings):
        names = ("user_id", "item_id", "timestamp", "split")
        columns = {
            name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)
        }
        store = make_store(columns)
        selection = select(store, k=1)
        stated = split_reviews(selection, store, SplitSettings(**settings))
        pairs = [rows[row][:2] for row in selection.row.tolist()]
        return stated, dict(zip(pairs, selection.split.tolist(), strict=True)), selection

    return run


TIMED = [
    (user, item, 10 * n + m, None) for n, user in enumerate("abcd") for m, item in enumerate("xyz")
]


def test_global_time_from_given_dates(split_rows):
    dates = {"valid_from": "1970-01-01T00:00:10", "test_from": "1970-01-01T00:00:31+00:00"}
    stated, split, _ = split_rows(TIMED, split="global_time", **dates)
    assert stated == {"policy": "global_time"} | dates
    assert [split["a", item] for item in "xyz"] == [0, 0, 0]
    assert {split[user, item] for user in "bc" for item in "xyz"} == {1}
    assert [split["d", item] for item in "xyz"] == [1, 2, 2]


def test_global_time_and_a_minimum_history(split_rows):
    stated, split, selection = split_rows(
        TIMED, split="global_time", valid_share=0.25, test_share=0.25
    )
    assert stated == {"policy": "global_time", "valid_share": 0.25, "test_share": 0.25}
    assert [split[user, "y"] for user in "abcd"] == [0, 0, 1, 2]
    assert list(cold_counts(selection).values()) == [2, 0]
    rows = [*TIMED, ("a", "w", 99, None)]
    stated, split, selection = split_rows(
        rows, split="global_time", valid_share=0.25, test_share=0.25, min_history=2
    )
    assert stated["min_history"] == 2
    assert set(split) == {(u, i) for u in "ab" for i in "xyz"} | {("a", "w")}
    assert split["a", "w"] == 2
    assert selection.dropped["held out, by a user with under 2 training reviews"] == 6
    assert selection.n_users == 2


@pytest.mark.parametrize(("policy", "place"), [("cold_user", 0), ("cold_item", 1)])
def test_cold_splits_hold_out_whole_users_or_items(split_rows, policy, place):
    rows = [(f"u{u}", f"i{i}", None, None) for u in range(10) for i in range(10)]
    _, split, selection = split_rows(rows, split=policy, warm_share=0.0, seed=3)
    of_owner = {pair[place]: code for pair, code in split.items()}
    assert all(of_owner[pair[place]] == code for pair, code in split.items())
    assert Counter(of_owner.values()) == {0: 7, 1: 1, 2: 2}
    assert [*cold_counts(selection).values()][place] == 3


@pytest.mark.parametrize(("policy", "place"), [("cold_user", 0), ("cold_item", 1)])
def test_cold_splits_also_hold_out_a_share_of_the_other_reviews(split_rows, policy, place):
    rows = [(f"u{u:02}", f"i{i:02}", None, None) for u in range(20) for i in range(20)]
    _, cold_only, _ = split_rows(rows, split=policy, warm_share=0.0)
    stated, split, _ = split_rows(rows, split=policy, warm_share=0.2)
    assert stated["warm_share"] == 0.2
    held_out = {pair for pair, code in cold_only.items() if code}
    assert all(split[pair] == cold_only[pair] for pair in held_out)
    others = Counter(code for pair, code in split.items() if pair not in held_out)
    total = others.total()
    assert others[1] == pytest.approx(0.2 * total, rel=0.1)
    assert others[2] == pytest.approx(0.2 * total, rel=0.1)


def test_rows_that_carry_a_split_suggest_it(split_rows):
    rows = [("a", "x", None, 0), ("a", "y", None, 2), ("b", "x", None, 1)]
    stated, split, _ = split_rows(rows)
    assert stated == {"policy": "predefined"}
    assert list(split.values()) == [0, 2, 1]
    with pytest.raises(DataError, match="file, line 4: split is missing, but other rows have one"):
        split_rows([*rows, ("c", "x", None, None)])
    with pytest.raises(DataError, match="none of the 1 reviews is in split 'train'"):
        split_rows(rows[1:2])


@pytest.mark.parametrize("policy", ["temporal", "global_time"])
def test_a_missing_time_is_named(split_rows, policy):
    with pytest.raises(DataError, match=f"line 13: no timestamp, but --split={policy} .*1 of 13"):
        split_rows([*TIMED, ("d", "w", None, None)], split=policy)
