"""Reviews outside the k-core: the core decides who is evaluated, not what is learned from.

Reviews of items in the core become training reviews if their user has two or more; the texts of the
others only describe their item. Reviews that repeat twelve consecutive words of a held-out review
are left out: that is a quotation or a copy, not another opinion.
"""

import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.select.selection import COLUMNS, Selection
from symcere_jax.preparation.split.policies import TRAIN
from symcere_jax.text.encoders.term_counts import split_words

Rows = dict[str, np.ndarray]  # columns as of `Selection`

RUN_WORDS = 12
_LEAST_REVIEWS = 2  # of a user who becomes a training user
_FACTORS = np.uint64(0x9E3779B97F4A7C15) ** np.arange(1, RUN_WORDS + 1, dtype=np.uint64)
_TEXTS = "SELECT row, text FROM raw JOIN {table} USING (row)"


def add_outside(selection: Selection, store: ReviewStore) -> Rows:
    """Adds reviews outside the k-core to the training reviews, once the core is split.

    Returns:
        The reviews of which the text alone counts.
    """
    outside = selection.outside
    assert outside is not None
    runs = held_out_runs(
        text for _, text in _texts(store, "held_out", selection.row[selection.split != TRAIN])
    )
    copies = [row for row, text in _texts(store, "outside", outside["row"]) if repeats(text, runs)]
    is_copy = np.isin(outside["row"], copies)
    selection.dropped["outside the k-core, near copy of what is held out"] = int(is_copy.sum())
    outside = _take(outside, ~is_copy)
    users, places, n_reviews = np.unique(outside["user"], return_inverse=True, return_counts=True)
    trains = (n_reviews >= _LEAST_REVIEWS) | np.isin(users, selection.user_codes)
    _merge(selection, _take(outside, trains[places]))
    return _take(outside, ~trains[places])


def _take(rows: Rows, mask: np.ndarray) -> Rows:
    return {name: column[mask] for name, column in rows.items()}


def held_out_runs(texts: Iterator[str]) -> np.ndarray:
    """Hashes of all runs of twelve words in texts, uint64, sorted."""
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *map(_runs, texts)]))


def repeats(text: str, runs: np.ndarray) -> bool:
    """Whether a text has one of some runs of words, as `held_out_runs` gives them."""
    own = _runs(text)
    if not len(own) or not len(runs):
        return False
    places = np.minimum(np.searchsorted(runs, own), len(runs) - 1)
    return bool((runs[places] == own).any())


def _runs(text: str) -> np.ndarray:
    words = split_words(text)
    if len(words) < RUN_WORDS:
        return np.zeros(0, np.uint64)
    codes = np.array([zlib.crc32(word.encode()) for word in words], np.uint64)
    return np.lib.stride_tricks.sliding_window_view(codes, RUN_WORDS) @ _FACTORS


def _texts(store: ReviewStore, table: str, rows: np.ndarray) -> Iterator[tuple[int, str]]:
    store.insert(f"{table}_rows", pa.table({"row": rows}))
    for batch in store.stream(_TEXTS.format(table=f"{table}_rows")):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _merge(selection: Selection, more: Rows) -> None:
    """Adds training reviews, and renumbers users in the order of their ids."""
    codes = np.union1d(selection.user_codes, more["user"])
    own = {name: getattr(selection, name) for name in COLUMNS}
    own["user"] = np.searchsorted(codes, selection.user_codes)[selection.user]
    more = more | {
        "user": np.searchsorted(codes, more["user"]),
        "item": np.searchsorted(selection.item_codes, more["item"]),
        "split": np.full(len(more["row"]), TRAIN),
    }
    joined = {name: np.concatenate([own[name], more[name]]) for name in COLUMNS}
    order = np.lexsort((joined["item"], joined["user"]))
    for name, kind in COLUMNS.items():
        setattr(selection, name, joined[name][order].astype(kind))
    selection.user_codes = codes
