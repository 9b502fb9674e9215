import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from symcere_jax.preparation.read.bad_rows import BadRows, RowError
from symcere_jax.preparation.read.formats.block import Block, salvage


@given(st.integers(1, 70), st.sets(st.integers(0, 69)))
def test_all_good_rows_are_saved_in_order_and_bad_ones_named(n_rows, wrong):
    n_builds = 0

    def build(rows: list[int]) -> list[int]:
        nonlocal n_builds
        n_builds += 1
        if wrong & set(rows):
            raise RowError(f"{rows[0]}", "odd")
        return rows

    bad = BadRows("skip", 1)
    pieces = list(salvage(list(range(n_rows)), build, bad))
    saved = [row for piece in pieces for row in piece]
    assert saved == [row for row in range(n_rows) if row not in wrong]
    n_wrong = len([row for row in wrong if row < n_rows])
    assert bad.counts.total() == n_wrong
    assert n_builds <= 1 + 2 * n_wrong * max(1, n_rows.bit_length())


def test_a_slice_keeps_its_lines():
    block = Block({"a": pa.array([1, 2, 3])}, np.array([2, 4, 9]), ("a",), "f, line")
    part = block[1:3]
    assert (len(part), part.where(1), part.columns["a"].to_pylist()) == (2, "f, line 9", [2, 3])
