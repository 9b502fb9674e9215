"""From raw reviews to a prepared folder: read, select, split, write, encode, check.

With `append`, new reviews are added to a prepared folder. Its rows and splits stay as they are. New
users and items get the next rows, in the order of their ids. A new review of a known pair (user,
item) is left out. The folder's own encoders encode the texts, so that models that were trained on
their features remain valid.
"""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import Manifest, ReviewDataset, schema
from symcere_jax.errors import ConfigError, DataError
from symcere_jax.fields import field_types
from symcere_jax.preparation.check.splits import against_policy
from symcere_jax.preparation.encode.add_features import configured_encoder, encode_into
from symcere_jax.preparation.encode.stored_encoder import StoredEncoder
from symcere_jax.preparation.encode.stored_reviews import stored_reviews
from symcere_jax.preparation.read.rating_scale import normalize_ratings
from symcere_jax.preparation.read.raw_reviews import read_prepared, read_reviews
from symcere_jax.preparation.read.review_store import ReviewStore
from symcere_jax.preparation.read.rows import ReadingLog
from symcere_jax.preparation.select.outside import add_outside
from symcere_jax.preparation.select.selection import Selection, select
from symcere_jax.preparation.settings import CleaningSettings, PrepareSettings
from symcere_jax.preparation.sources import SOURCES, Source
from symcere_jax.preparation.sources.remote import local_input
from symcere_jax.preparation.sources.source import DATA_FRAME
from symcere_jax.preparation.sources.table import frame_source
from symcere_jax.preparation.split.assignment import cold_counts, split_appended, split_reviews
from symcere_jax.preparation.write.output_folder import check_output, locked_output, new_folder
from symcere_jax.preparation.write.prepared_tables import (
    file_entries,
    write_extra_texts,
    write_tables,
)
from symcere_jax.text import TextEncoder, load_text_encoder

_SHOWN = 200  # characters of a list of files


def prepare(
    settings: PrepareSettings,
    *,
    frame: pa.Table | None = None,
    frames: str | None = None,
    encoder: TextEncoder | None = None,
    announce: MessageCallback = lambda stage: None,
) -> ReviewDataset:
    """Prepares a folder, or appends to one.

    Args:
        settings: of all stages.
        frame: a table of reviews in memory, for source "table" without an input.
        frames: kind of the frame that the table was made of, for the manifest.
        encoder: instead of the one that the settings name.
        announce: called with a few words at the start of each stage.

    Returns:
        The prepared folder; its manifest has all counts.

    Raises:
        BusyError: another process writes the output.
        ConfigError: the settings contradict what is at the output, or each other.
        DataError: the raw data is missing or malformed, or nothing of it is left.
    """
    source = _source(settings, frame, frames)
    source.check_filters(settings)
    with locked_output(settings.output):
        earlier = None
        if settings.append:
            earlier = ReviewDataset.load(settings.output)
            for name in earlier.manifest.text_encoders:
                load_text_encoder(earlier, name)  # before any work: a folder may not keep it
        else:
            check_output(settings.output, settings.input, overwrite=settings.overwrite)
        with (
            local_input(settings, source, announce) as (settings, urls),
            new_folder(settings.output, announce) as folder,
        ):
            manifest = _fill(folder, settings, source, urls, earlier, encoder, announce)
            manifest.write(folder)
            if earlier is not None:
                _check_split(manifest, folder, announce)
        return ReviewDataset.load(settings.output)


def _source(settings: PrepareSettings, frame: pa.Table | None, frames: str | None) -> Source:
    if settings.source == "table" and frame is not None:
        if settings.input:
            raise ConfigError(f"--input is {settings.input}, but a data frame is also given")
        return frame_source(frame, frames)
    if frame is not None:
        raise ConfigError(f"a data frame is given, but --source={settings.source} reads none")
    if settings.source != "synthetic" and not settings.input:
        raise ConfigError(f"--input is missing: --source={settings.source} reads a file or folder")
    return SOURCES[settings.source]


def _fill(
    folder: Path,
    settings: PrepareSettings,
    source: Source,
    urls: Mapping[Path, str],
    earlier: ReviewDataset | None,
    encoder: TextEncoder | None,
    announce: MessageCallback,
) -> Manifest:
    """Runs the stages from the raw files to all files but the manifest."""
    scratch = folder / "scratch"
    scratch.mkdir()
    store = ReviewStore(scratch, memory_bytes=settings.memory_bytes, threads=settings.threads)
    with contextlib.closing(store):
        raw = settings.input or (DATA_FRAME if source.name == "table" else "generated reviews")
        raw = raw if len(raw) <= _SHOWN else f"{raw[:_SHOWN]}…"
        announce(f"reading {raw}")
        log = ReadingLog(settings.on_bad_row, settings.max_bad_share)
        read_reviews(source, settings, store, log)
        for note in log.notes:
            announce(f"note: {note}")
        if earlier is not None:
            read_prepared(earlier, store)
        store.finish()
        known = None if earlier is None else earlier.manifest.cleaning["rating_scale"]
        scale = normalize_ratings(store, settings, log, known)

        announce(f"filtering and splitting {log.n_rows:,} rows")
        k = settings.k_core if earlier is None else earlier.manifest.k_core
        selection = select(
            store,
            k=k,
            drop_copies=settings.drop_copies,
            keep_dropped=settings.keep_dropped,
            earlier=earlier,
        )
        # Split first: all that follows may learn from training reviews only.
        if earlier is None:
            split = split_reviews(selection, store, settings)
        else:
            min_history = earlier.manifest.split.get("min_history")
            split = split_appended(selection, store, settings, min_history)
            if not selection.is_new.any():
                raise DataError(f"nothing in {raw} is new to {earlier.folder}")

        extra: dict[str, int] = {}
        if selection.outside is not None:
            announce(f"adding {len(selection.outside['row']):,} reviews from outside the k-core")
            n_reviews, n_users = len(selection), selection.n_users
            texts = add_outside(selection, store)
            write_extra_texts(folder, store, selection, texts)
            extra = {
                "extra_texts": len(texts["row"]),
                "extra_reviews": len(selection) - n_reviews,
                "extra_users": selection.n_users - n_users,
            }
        elif earlier is not None and schema.EXTRA_TEXTS in earlier.manifest.files:
            shutil.copyfile(earlier.file(schema.EXTRA_TEXTS), folder / schema.EXTRA_TEXTS)

        announce(f"writing {len(selection):,} reviews")
        metadata = source.item_file(settings) is not None or bool(settings.title_field)
        n_interactions, counts = write_tables(
            folder, store, selection, metadata=metadata, earlier=earlier
        )
    # The engine has ended: its memory is free for the encoders.
    encoders: Sequence[TextEncoder]
    if earlier is not None:
        cache, names = settings.cache_folder, earlier.manifest.text_encoders
        encoders = [StoredEncoder(earlier, name, scratch, cache) for name in names]
    else:
        encoder = encoder or configured_encoder(settings, scratch, folder)
        encoders = [encoder] if encoder else []
    text_encoders = _encode(folder, selection, encoders, scratch, announce)

    announce(f"writing {settings.output}")
    shutil.rmtree(scratch)
    manifest = Manifest(
        name=settings.name or settings.output.resolve().name,
        n_users=selection.n_users,
        n_items=selection.n_items,
        n_reviews=len(selection),
        n_interactions=n_interactions,
        k_core=k,
        split=split,
        source=_describe_source(source, log, settings, urls),
        dropped={**log.dropped, **selection.dropped},
        text_encoders=text_encoders,
        files=file_entries(folder),
        cleaning={
            "settings": {name: getattr(settings, name) for name in field_types(CleaningSettings)},
            "changed_texts": dict(log.changed_texts),
            "rating_scale": list(scale),
        },
        statistics={
            "raw_rows": log.n_rows,
            "bad_rows_of_item_metadata": log.n_bad_items,
            **counts,
            **extra,
            **cold_counts(selection),
        },
    )
    return manifest if earlier is None else _grown(earlier.manifest, manifest)


def _encode(
    folder: Path,
    selection: Selection,
    encoders: Sequence[TextEncoder],
    scratch: Path,
    announce: MessageCallback,
) -> dict[str, Any]:
    """Writes the features of each encoder; returns what the manifest states of them."""
    described: dict[str, Any] = {}
    if not encoders:
        return described
    with stored_reviews(folder, selection.n_users, selection.n_items, scratch) as reviews:
        for encoder in encoders:
            announce(f"encoding {len(reviews.texts):,} texts by {encoder.name}")
            described[encoder.name] = encode_into(folder, encoder.name, encoder, reviews, announce)
    return described


def _describe_source(
    source: Source, log: ReadingLog, settings: PrepareSettings, urls: Mapping[Path, str]
) -> dict[str, Any]:
    # Names within the input, not whole paths: a folder must not depend on where it was made.
    # Path.is_dir fails for long lists of files.
    root = settings.path if os.path.isdir(settings.input or "") else None  # noqa: PTH112
    entries = []
    for path in log.files:
        name = str(path.relative_to(root)) if root and path.is_relative_to(root) else path.name
        entries.append({"name": urls.get(path, name)} | schema.file_entry(path))
    options = dict(source.options(settings))
    if source.name == "table":
        options["integer_ids"] = [x for x in ("user", "item") if x not in log.text_ids]
    return {"kind": source.name, "options": options, "files": entries}


def _grown(before: Manifest, after: Manifest) -> Manifest:
    """The manifest of a grown folder; `after` has source, split and counts of what is new."""
    names = ("fingerprint", "n_users", "n_items", "n_reviews")
    entry = {name: getattr(before, name) for name in names}
    entry["added"] = {**after.source, "split": after.split}
    changed = [manifest.cleaning["changed_texts"] for manifest in (before, after)]
    summed = ("raw_rows", "bad_rows_of_item_metadata")
    totals = {name: before.statistics[name] + after.statistics[name] for name in summed}
    return dataclasses.replace(
        after,
        name=before.name,
        split=before.split,
        source={**before.source, "appended": [*before.source.get("appended", []), entry]},
        dropped=_sum(before.dropped, after.dropped),
        cleaning={**before.cleaning, "changed_texts": _sum(*changed)},
        statistics={**before.statistics, **after.statistics, **totals},
    )


def _sum(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: before.get(name, 0) + after.get(name, 0) for name in {**before, **after}}


def _check_split(manifest: Manifest, folder: Path, announce: MessageCallback) -> None:
    """States in the manifest whether new reviews ended the split policy: by time, or of the cold.

    The folder grows all the same, since a service needs its new reviews. No held-out review goes to
    train, so models are still chosen and scored honestly, but scores are not comparable with
    earlier ones.
    """
    if manifest.ended_split_policy:
        return
    problems = "; ".join(against_policy(ReviewDataset.load(folder)))
    if not problems:
        return
    announce(
        f"warning: the split is no longer {manifest.split_name} ({problems}); held-out "
        "reviews stay held out, but scores are not comparable with earlier ones"
    )
    *entries, entry = manifest.source["appended"]
    entries.append({**entry, "ends_split_policy": problems})
    source = {**manifest.source, "appended": entries}
    dataclasses.replace(manifest, source=source).write(folder)
