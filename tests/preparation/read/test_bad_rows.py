import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read.bad_rows import BadRows, RowError


def test_fail_raises_the_first():
    with pytest.raises(RowError, match="line 3: odd"):
        BadRows("fail", 1.0).add(RowError("line 3: odd", "oddity"))


def test_skip_counts_by_reason_and_fails_above_the_share():
    bad = BadRows("skip", 0.1)
    for line in range(5):
        bad.add(RowError(f"line {line}: odd", "oddity"))
    assert bad.counts == {"bad row: oddity": 5}
    bad.check(50)
    with pytest.raises(
        DataError,
        match=r"5 of 49 rows are bad, more than --max_bad_share=0\.1; the first: line 0: odd \| l",
    ):
        bad.check(49)


def test_nothing_bad_of_nothing():
    BadRows("skip", 0.0).check(0)
