"""New reviews for a prepared folder, whose users and items keep their rows.

What is there stays as it is: rows, splits, held-out reviews. New users and items get the rows that
follow, in the order of their ids. Of a pair (user, item) that has a review already, the new one is
left out. A new review goes to train, unless the rows carry a split or `--split=ratio` asks for new
held-out ones. Texts are encoded by the encoders that the folder keeps, not by new ones: features of
texts stay what they were, and so a model that was trained on them stays meaningful.
"""

import contextlib
import dataclasses
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_prep import output_folder, splitting, writing
from data_prep.config import PrepareConfig
from data_prep.filling import fill, statistics, summarize
from data_prep.ingesting import Ingested, ingest
from data_prep.selection import NO_SPLIT, Known, Selection, select
from data_prep.sources import Source
from data_prep.store import ReviewStore
from data_prep.stored_encoder import StoredEncoder
from data_prep.summary import Summary
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.text.encoder import TextEncoder

_BATCH_ROWS = 1 << 15


def append(
    config: PrepareConfig, source: Source, *, announce: Callable[[str], None] = lambda stage: None
) -> Summary:
    """Reads new reviews and replaces the prepared folder by one that has them too.

    Args:
        config: the settings; `output` is the folder.
        source: kind of the raw data.
        announce: called with a few words at the start of each stage.

    Raises:
        ConfigError: the settings do not fit the folder.
        DataError: the raw data is missing or malformed, or nothing in it is new.
    """
    start = time.monotonic()
    earlier = ReviewDataset.load(config.output)
    if config.split not in (None, "predefined", "ratio"):
        raise ConfigError(f"--split={config.split} cannot be appended with; use ratio, or none")
    names = list(earlier.manifest.text_encoders)
    for name in names:
        StoredEncoder(earlier, name)  # before any work: a folder may not keep it
    config = dataclasses.replace(config, k_core=earlier.manifest.k_core)
    with output_folder.new_folder(config.output) as folder:
        scratch = folder / "scratch"
        scratch.mkdir()
        store = ReviewStore(scratch, memory_bytes=config.memory_bytes, threads=config.threads)
        with contextlib.closing(store):
            announce(f"reading {config.input or 'generated reviews'}")
            ingested = ingest(config, source, store)
            announce(f"adding to {earlier.manifest.n_reviews:,} reviews")
            cache = Path(config.text_cache).expanduser() if config.text_cache else None
            encoders = [StoredEncoder(earlier, name, scratch, cache) for name in names]
            summary = _fill(
                folder, scratch, store, ingested, earlier, encoders, source, config, announce
            )
    return dataclasses.replace(summary, seconds=time.monotonic() - start)


def _fill(
    folder: Path,
    scratch: Path,
    store: ReviewStore,
    ingested: Ingested,
    earlier: ReviewDataset,
    encoders: Sequence[TextEncoder],
    source: Source,
    config: PrepareConfig,
    announce: Callable[[str], None],
) -> Summary:
    _add_earlier(store, earlier)
    known = Known(earlier.user_ids(), earlier.item_ids())
    selection = select(store, ingested, scratch, k=config.k_core, known=known)
    is_new = np.asarray(selection.row) >= 0
    if not is_new.any():
        raise DataError(f"nothing in {config.input} is new to {earlier.folder}")
    split = _split(selection, is_new, store, config)
    announce(f"writing {len(selection):,} reviews, {int(is_new.sum()):,} of them new")
    filled = fill(folder, scratch, store, selection, split, encoders, announce, metadata=False)
    _keep_metadata(folder, earlier)
    manifest = earlier.manifest
    summary = summarize(
        filled,
        selection,
        split,
        ingested,
        config,
        name=manifest.name,
        policy=str(manifest.split.get("policy")),
        n_read=ingested.n_read + manifest.statistics.get("raw_rows", manifest.n_reviews),
        dropped=dict(Counter(selection.dropped) + Counter(manifest.dropped)),
    )
    del selection, split
    shutil.rmtree(scratch)
    dataclasses.replace(
        manifest,
        n_users=summary.n_users,
        n_items=summary.n_items,
        n_reviews=summary.n_reviews,
        n_interactions=filled.n_interactions,
        source=_grown(earlier, source, ingested, config),
        dropped=summary.dropped,
        text_encoders=filled.text_encoders,
        files=writing.file_entries(folder),
        statistics={**manifest.statistics, **statistics(summary, filled.n_words)},
    ).write(folder)
    return summary


def _add_earlier(store: ReviewStore, earlier: ReviewDataset) -> None:
    """Adds the reviews that are there, under negative row numbers, to the raw ones."""
    store.labels.append(f"{earlier.folder / schema.REVIEWS}, row")
    users, items = pa.array(earlier.user_ids()), pa.array(earlier.item_ids())
    n = earlier.manifest.n_reviews

    def tables() -> Iterator[pa.Table]:
        start = 0
        for batch in earlier.review_batches(_BATCH_ROWS):
            rows = np.arange(start, start + len(batch))
            start += len(batch)
            yield pa.table(
                {
                    "row": rows - n,
                    "file": np.full(len(rows), len(store.labels) - 1, np.int32),
                    "line": rows,
                    "user_id": users.take(batch.column("user")),
                    "item_id": items.take(batch.column("item")),
                    "rating": batch.column("rating").cast(pa.float64()),
                    "timestamp": batch.column("timestamp"),
                    "text": batch.column("text"),
                    "split": pc.index_in(
                        batch.column("split"), value_set=pa.array(schema.SPLITS)
                    ).cast(pa.int8()),
                }
            )

    store.add_earlier(tables())


def _split(
    selection: Selection, is_new: np.ndarray, store: ReviewStore, config: PrepareConfig
) -> np.ndarray:
    split = np.array(selection.split)
    carried = is_new & (split != NO_SPLIT)
    if config.split == "ratio":
        split[is_new] = splitting.split_by_ratio(
            np.asarray(selection.user[is_new]),
            None,
            valid_share=config.valid_share,
            test_share=config.test_share,
            seed=config.seed,
            min_history=0,
        )
    elif config.split == "predefined" or carried.any():
        missing = is_new & (split == NO_SPLIT)
        if missing.any():
            raise DataError(
                f"{store.first(selection.row[missing])}: split is missing; give it to all rows, or "
                "to none, and all go to train"
            )
    else:
        split[is_new] = splitting.TRAIN
    return split


def _keep_metadata(folder: Path, earlier: ReviewDataset) -> None:
    """Titles and categories of the items that were there; new ones have none."""
    old = pq.read_table(earlier.file(schema.ITEMS))
    table = pq.read_table(folder / schema.ITEMS)
    for name in old.column_names:
        if name not in table.column_names:
            values = pa.concat_arrays(
                [
                    *old[name].chunks,
                    pa.nulls(len(table) - len(old), old[name].type),
                ]
            )
            table = table.append_column(name, values)
    pq.write_table(table, folder / schema.ITEMS, compression="zstd", store_schema=False)


def _grown(
    earlier: ReviewDataset, source: Source, ingested: Ingested, config: PrepareConfig
) -> dict[str, Any]:
    manifest = earlier.manifest
    entry = {
        "fingerprint": manifest.fingerprint,
        "n_users": manifest.n_users,
        "n_items": manifest.n_items,
        "n_reviews": manifest.n_reviews,
        "added": {
            "kind": config.source,
            "options": dict(source.options(config)),
            "files": [{"name": path.name} | schema.file_entry(path) for path in ingested.files],
        },
    }
    return {**manifest.source, "appended": [*manifest.source.get("appended", []), entry]}
