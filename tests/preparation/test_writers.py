"""Whatever wrote a table, the folder has its rows, or the file is refused with its line."""

import contextlib
import random
import re
from pathlib import Path

import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.pipeline import prepare
from symcere_jax.preparation.read.bad_rows import BadRows
from symcere_jax.preparation.read.row_checks import well_formed
from symcere_jax.preparation.settings import PrepareSettings
from symcere_jax.preparation.sources import SOURCES
from tests.preparation.writers import COLUMNS, WRITERS

WORDS = ("good", "bad", "schön", "很好", "a,b", "x;y", "p|q", "5", "Ant", "–", "don't", "£5", "#1")
MARKS = (
    '"', '""', '"quoted"', "'", '5"', ",", ";", "|", "\\", "C:\\dir", '\\"', "\t", "\n", "\r\n",
    "\n\n", "(a, b, c, d)", "=1+1", "{}", "[1]",
)  # fmt: skip
ROW = "u1,i1,5,1600000000,text"


def truth(seed, *, without=""):
    """Rows of different pairs; texts have no letter of `without`."""
    rng = random.Random(seed)
    pairs = rng.sample([(user, item) for user in range(9) for item in range(7)], 40)
    rows = []
    for user, item in pairs:
        words = rng.choices(WORDS, k=rng.randint(0, 6)) + rng.choices(MARKS, k=rng.randint(0, 2))
        rng.shuffle(words)
        text = " ".join(words).strip()
        for letter in without:
            text = text.replace(letter, "/")
        rows.append(
            {
                "user_id": f"u {user}",
                "item_id": f"i{item}",
                "rating": rng.choice([1, 2, 3, 4, 5, None]),
                "timestamp": 1_600_000_000 + rng.randrange(10**6),
                "text": text,
            }
        )
    return rows


def prepared(path, **settings):
    """Sorted rows of the prepared folder, and the number of rows that were left out."""
    preparation = PrepareSettings(
        source="table",
        input=path,
        output=path.parent / "prepared",
        text_encoder="none",
        clean_html=False,
        fix_mojibake=False,
        drop_control=False,
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


# What a format cannot hold, or has in a way that cannot be told from another.
CANNOT_HOLD = {
    "unquoted_tabs": "\t\n\r",
    "spark_csv": "\\",
    "r_write_table": "\\",
    "duckdb csv, escaped": "\\",
}
ESCAPED = ("spark_csv", "r_write_table", "duckdb csv, escaped")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", WRITERS)
def test_every_row_is_there_or_the_line_is_named(tmp_path, name, seed):
    rows = truth(seed, without=CANNOT_HOLD.get(name, ""))
    rows[7]["text"] = f"as in\n{ROW}" if "\n" not in CANNOT_HOLD.get(name, "") else ROW
    if name == "unquoted_tabs":  # quotes around a whole text are taken for those of CSV
        rows = [row | {"text": row["text"].strip('"')} for row in rows]
    path = WRITERS[name](tmp_path, rows)
    try:
        found, n_dropped = prepared(path)
    except DataError as error:
        assert re.search(r"line \d+: .*--quoting", str(error))
        quoting = "escaped" if name in ESCAPED else "doubled"
        found, n_dropped = prepared(path, quoting=quoting)
    assert found == expected(rows)
    assert n_dropped == 0


def rows_of(path, policy):
    """Rows as they are read, and the number of bad ones."""
    bad = BadRows(policy, 1)
    settings = PrepareSettings(source="table", input=path, output=Path("out"), text_encoder="none")
    blocks = [well_formed(block, settings, bad) for block in SOURCES["table"].read(settings, bad)]
    rows = [tuple(row.values())[:5] for block in blocks for row in block.table.to_pylist()]
    return rows, bad.counts.total()


DAMAGED = (
    "csv ',' MINIMAL", "csv ',' ALL", "csv '\\t' MINIMAL", "csv ';' MINIMAL", "unquoted_tabs",
    "r_write_csv", "r_write_table", "json",
)  # fmt: skip


@pytest.mark.parametrize("piece", ['"', "\n", ",", "\t", "\\", "", "\xff"])
@pytest.mark.parametrize("name", DAMAGED)
def test_damage_costs_few_rows_and_none_in_silence(tmp_path, name, piece):
    rows = truth(4, without=CANNOT_HOLD.get(name, ""))
    true = {tuple(row[column] for column in COLUMNS) for row in rows}
    path = WRITERS[name](tmp_path, rows)
    content = path.read_bytes()
    rng = random.Random(name + piece)
    header = content.index(b"\n") + 1 if not name.startswith("json") else 0
    for _ in range(12):
        place = rng.randrange(header, len(content))
        # An empty piece: a letter is lost.
        path.write_bytes(content[:place] + piece.encode("latin-1") + content[place + (not piece) :])
        with contextlib.suppress(DataError):
            found, _ = rows_of(path, "fail")
            assert len(found) == len(rows)
            assert len(true - set(found)) <= 1
        with contextlib.suppress(DataError):
            found, n_bad = rows_of(path, "skip")
            # Of two rows on one line, nobody knows that they were two.
            assert len(found) + n_bad >= len(rows) - (not piece)
            assert len(true - set(found)) <= 2


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_cut_off_has_the_rows_before(tmp_path, name):
    rows = truth(5, without=CANNOT_HOLD.get(name, ""))
    path = WRITERS[name](tmp_path, rows)
    content = path.read_bytes()
    whole, _ = rows_of(path, "fail")
    for place in random.Random(name).sample(range(len(content) // 2, len(content)), 12):
        path.write_bytes(content[:place])
        with contextlib.suppress(DataError):
            found, _ = rows_of(path, "fail")
            assert found[:-1] == whole[: len(found) - 1]
