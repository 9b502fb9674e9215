"""Whatever wrote a table, the folder has its rows, or the file is refused with its line.

Damaged ones are a matter of tests/faults/readers.py.
"""

import re

import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.settings import PrepareSettings
from tests.preparation.writers import CANNOT_HOLD, COLUMNS, ESCAPED, WRITERS, truth

ROW = "u1,i1,5,1600000000,text"


def prepared(path, **settings):
    """Sorted rows of the prepared folder, and the number of rows that were left out."""
    preparation = PrepareSettings(
        source="table",
        input=path,
        output=path.parent / "prepared",
        text_encoder="none",
        clean_texts=False,
        drop_copies=False,
        overwrite=True,
        threads=1,
        **settings,
    )
    dataset = prepare(preparation)
    users, items = dataset.user_ids(), dataset.item_ids()
    rows = [
        (users[row["user"]], items[row["item"]], row["rating"], row["timestamp"], row["text"])
        for row in dataset.reviews().to_pylist()
    ]
    return sorted(rows, key=str), sum(dataset.manifest.dropped.values())


def expected(rows):
    return sorted((tuple(row[name] for name in COLUMNS) for row in rows), key=str)


@pytest.mark.parametrize("name", WRITERS)
def test_every_row_is_there_or_the_line_is_named(tmp_path, name):
    rows = truth(0, name)
    rows[7]["text"] = ROW if "\n" in CANNOT_HOLD.get(name, "") else f"as in\n{ROW}"
    path = WRITERS[name](tmp_path, rows)
    try:
        found, n_dropped = prepared(path)
    except DataError as error:
        assert re.search(r"line \d+: .*--quoting", str(error))
        quoting = "escaped" if name in ESCAPED else "doubled"
        found, n_dropped = prepared(path, quoting=quoting)
    assert found == expected(rows)
    assert n_dropped == 0
