import os
import signal
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from symcere_jax.errors import ConfigError
from symcere_jax.preparation.read.review_store import ReviewStore


def test_rows_come_back_and_say_where_they_stood(make_store):
    store = make_store({"user_id": list("abc"), "text": ["x", None, "é"], "line": [2, 4, 7]})
    batches = list(store.stream("SELECT row, text FROM raw ORDER BY row DESC"))
    rows = pa.Table.from_batches(batches).to_pylist()
    assert [row["text"] for row in rows] == ["é", None, "x"]
    assert store.where_first(np.array([2, 1])) == "file, line 4"
    assert store.fetch_row("SELECT count(*), max(line) FROM raw") == (3, 7)


def test_other_tables_grow(make_store):
    store = make_store({"user_id": ["a"]})
    for start in (0, 2):
        store.insert("kept", pa.table({"place": [start, start + 1]}))
    assert store.fetch_row("SELECT list(place ORDER BY place) FROM kept") == ([0, 1, 2, 3],)


def test_too_little_memory_is_named(tmp_path: Path):
    store = ReviewStore(tmp_path, memory_bytes=0, threads=1)
    store.execute("SET memory_limit = '20MB'")
    with pytest.raises(ConfigError, match=r"--memory=0GiB is too little .* raise it"):
        store.fetch_row("SELECT list(range) FROM range(100000000)")
    store.close()


def test_ctrl_c_in_a_query_is_ctrl_c(make_store):
    store = make_store({"user_id": ["a"]})
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        store.execute("CREATE TABLE t AS SELECT sum(hash(a.range, b.range)) "
                  "FROM range(1000000) a, range(1000000) b")  # fmt: skip
    timer.join()
