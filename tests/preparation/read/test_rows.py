import pytest
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.rows import ReadingLog, RowError, salvage


def test_bad_rows_are_counted_by_reason_up_to_a_share_or_end_the_run():
    log = ReadingLog("skip", 0.1)
    for line in range(5):
        log.add(RowError(f"line {line}: odd", "oddity"))
    assert log.dropped == {"bad row: oddity": 5}
    log.check(50)
    with pytest.raises(DataError, match=r"5 of 49 rows are bad, more than .*: line 0: odd \| line"):
        log.check(49)
    ReadingLog("skip", 0.0).check(0)
    with pytest.raises(RowError, match="line 3: odd"):
        ReadingLog("fail", 1.0).add(RowError("line 3: odd", "oddity"))


@given(st.integers(1, 70), st.sets(st.integers(0, 69)))
def test_all_good_rows_are_saved_in_order_and_bad_ones_named(n_rows, wrong):
    n_builds = 0

    def build(rows: list[int]) -> list[int]:
        nonlocal n_builds
        n_builds += 1
        if wrong & set(rows):
            raise RowError(f"{rows[0]}", "odd")
        return rows

    log = ReadingLog("skip", 1)
    saved = [row for piece in salvage(list(range(n_rows)), build, log) for row in piece]
    assert saved == [row for row in range(n_rows) if row not in wrong]
    n_wrong = len([row for row in wrong if row < n_rows])
    assert log.n_bad == n_wrong
    assert n_builds <= 1 + 2 * n_wrong * max(1, n_rows.bit_length())
