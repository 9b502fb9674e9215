"""A few damaged tables of each kind; python -m tests.faults.readers damages many."""

from collections import Counter

from tests.faults import readers

WRITERS = (
    *("csv ',' MINIMAL", "csv '\\t' ALL", "r_write_csv", "excel, unicode text", "unquoted_tabs"),
    *("json", "duckdb parquet", "zipped_csv"),
)


def test_no_row_is_lost_or_changed_in_silence():
    counts = readers.count(WRITERS, 32, seed=3, n_rows=60)
    whole = sum(counts.values(), Counter())
    assert (whole["writers"], whole["exact"], whole["damaged"]) == (8, 8, 32)
    assert whole[readers.SILENT] == 0
    assert min(whole[readers.EXACT], whole[readers.READ], whole[readers.ROW]) > 0
