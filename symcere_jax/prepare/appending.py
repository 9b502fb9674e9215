"""New reviews for a prepared folder, whose users and items keep their rows.

What is there stays as it is: rows, splits, held-out reviews. New users and items get the rows that
follow, in the order of their ids. Of a pair (user, item) that has a review already, the new one is
left out. A new review goes to train, unless the rows carry a split or `--split=ratio` asks for new
held-out ones.

Where the folder was split by time, or so that items or users are cold, that may not be so any more:
a user's new training review is later than the held-out ones, or an item is cold no longer. The
folder grows all the same. No held-out review goes to train, so they choose and score models as
honestly as before, and a service needs its new reviews. But the task is another one, and scores do
not compare with those of before. So a warning and the manifest say what ended the policy.

Texts are encoded by the encoders that the folder keeps, not by new ones: features of
texts stay what they were, and so a model that was trained on them stays meaningful.
"""

import contextlib
import dataclasses
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import ReviewDataset, schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.prepare.check.policy_checking import against_policy
from symcere_jax.prepare.encode.stored_encoder import StoredEncoder
from symcere_jax.prepare.filling import BAD_ITEMS, fill, statistics, summarize
from symcere_jax.prepare.read.ingesting import Ingested, ingest
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.select.appended_split import split_appended
from symcere_jax.prepare.select.selection import Known, Selection, select
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources import Source
from symcere_jax.prepare.write import output_folder, writing
from symcere_jax.prepare.write.summary import Summary
from symcere_jax.text.encoders.base import TextEncoder

_BATCH_ROWS = 1 << 15


def append(
    config: PrepareSettings, source: Source, *, announce: MessageCallback = lambda stage: None
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
    config: PrepareSettings,
    announce: MessageCallback,
) -> Summary:
    _add_earlier(store, earlier)
    known = Known(earlier.user_ids(), earlier.item_ids())
    selection = select(
        store,
        ingested,
        scratch,
        k=config.k_core,
        drop_duplicate_text=config.drop_duplicate_text,
        known=known,
    )
    _count_new(selection, earlier, config)  # a split needs some
    manifest = earlier.manifest
    split_settings, split = split_appended(selection, store, config, manifest)
    n_new = _count_new(selection, earlier, config)
    announce(f"writing {len(selection):,} reviews, {n_new:,} of them new")
    metadata = source.items is not None and source.item_file(config) is not None
    filled = fill(folder, scratch, store, selection, split, encoders, announce, metadata=metadata)
    filled = dataclasses.replace(filled, n_unknown_items=_keep_metadata(folder, earlier))
    summary = summarize(
        filled,
        selection,
        split,
        ingested,
        config,
        name=manifest.name,
        policy=manifest.split_name,
        n_read=ingested.n_read + manifest.statistics.get("raw_rows", manifest.n_reviews),
        dropped=dict(Counter(selection.dropped) + Counter(manifest.dropped)),
    )
    del selection, split
    shutil.rmtree(scratch)
    manifest = dataclasses.replace(
        manifest,
        n_users=summary.n_users,
        n_items=summary.n_items,
        n_reviews=summary.n_reviews,
        n_interactions=filled.n_interactions,
        source=_grown(earlier, source, ingested, config, split_settings),
        dropped=summary.dropped,
        text_encoders=filled.text_encoders,
        files=writing.file_entries(folder),
        statistics={
            **manifest.statistics,
            **statistics(summary, filled.n_words),
            BAD_ITEMS: manifest.statistics.get(BAD_ITEMS, 0) + ingested.n_bad_items,
        },
    )
    manifest.write(folder)
    if not manifest.ended_split_policy:
        manifest = _with_policy_checked(manifest, folder, announce)
    return dataclasses.replace(summary, split=manifest.split_name)


def _with_policy_checked(
    manifest: schema.Manifest, folder: Path, announce: MessageCallback
) -> schema.Manifest:
    """States in the latest entry of what was appended whether it ended the split policy."""
    problems = "; ".join(against_policy(ReviewDataset.load(folder)))
    if not problems:
        return manifest
    announce(
        f"warning: the split is no longer {manifest.split_name} ({problems}); what was held out "
        "stays held out, but scores on it do not compare with those of before"
    )
    *before, entry = manifest.source["appended"]
    entries = [*before, {**entry, "ends_split_policy": problems}]
    manifest = dataclasses.replace(manifest, source={**manifest.source, "appended": entries})
    manifest.write(folder)
    return manifest


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


def _count_new(selection: Selection, earlier: ReviewDataset, config: PrepareSettings) -> int:
    n_new = int((np.asarray(selection.row) >= 0).sum())
    if not n_new:
        raise DataError(f"nothing in {config.input} is new to {earlier.folder}")
    return n_new


def _keep_metadata(folder: Path, earlier: ReviewDataset) -> int | None:
    """Items keep their titles and categories; what was missing is as the new metadata has it.

    Returns:
        Number of items that have neither; None where nothing was ever read.
    """
    old = pq.read_table(earlier.file(schema.ITEMS))
    table = pq.read_table(folder / schema.ITEMS)
    for name in old.column_names[2:]:
        nothing = pa.nulls(len(table) - len(old), old[name].type)
        values = pa.concat_arrays([*old[name].chunks, nothing])
        if name in table.column_names:
            values = pc.coalesce(values, table[name].combine_chunks())
            table = table.drop_columns(name)
        table = table.append_column(name, values)
    pq.write_table(table, folder / schema.ITEMS, compression="zstd", store_schema=False)
    return writing.n_unknown(table)


def _grown(
    earlier: ReviewDataset,
    source: Source,
    ingested: Ingested,
    config: PrepareSettings,
    split: dict[str, object],
) -> dict[str, Any]:
    manifest = earlier.manifest
    entry = {
        "fingerprint": manifest.fingerprint,
        schema.BEFORE_FEATURES: manifest.source.get(schema.BEFORE_FEATURES, []),
        "n_users": manifest.n_users,
        "n_items": manifest.n_items,
        "n_reviews": manifest.n_reviews,
        "added": {
            "kind": config.source,
            "options": dict(source.options(config)),
            "split": split,
            "files": [{"name": path.name} | schema.file_entry(path) for path in ingested.files],
        },
    }
    return {
        **manifest.source,
        "appended": [*manifest.source.get("appended", []), entry],
        schema.BEFORE_FEATURES: [],
    }
