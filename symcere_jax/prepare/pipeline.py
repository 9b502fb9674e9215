"""The preparation from raw reviews to a prepared folder, stage by stage."""

import contextlib
import dataclasses
import shutil
import time
from pathlib import Path

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import schema
from symcere_jax.errors import ConfigError
from symcere_jax.prepare.appending import append
from symcere_jax.prepare.encode.encoding import configured_encoder
from symcere_jax.prepare.filling import BAD_ITEMS, fill, statistics, summarize
from symcere_jax.prepare.read.ingesting import Ingested, ingest
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.select.selection import select
from symcere_jax.prepare.select.split_policy import split_reviews
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.sources import FILTERS, SOURCES, Source, download
from symcere_jax.prepare.write import output_folder, writing
from symcere_jax.prepare.write.summary import Summary
from symcere_jax.text.encoders.base import TextEncoder

_CLEANING = (
    "clean_html",
    "fix_mojibake",
    "drop_control",
    "drop_empty_text",
    "drop_duplicate_text",
    "max_words",
    "on_bad_row",
)


def prepare(
    config: PrepareSettings,
    *,
    encoder: TextEncoder | None = None,
    announce: MessageCallback = lambda stage: None,
) -> Summary:
    """Reads, cleans, filters, splits and encodes reviews, and writes the prepared folder.

    Args:
        config: the settings.
        encoder: instead of the one that the settings name.
        announce: called with a few words at the start of each stage.

    Raises:
        BusyError: another process writes the output.
        ConfigError: the settings contradict what is at the output, or each other.
        DataError: the raw data is missing or malformed, or nothing of it is left.
    """
    with output_folder.locked_output(config.output):
        return _prepare(config, encoder, announce)


def _prepare(
    config: PrepareSettings, encoder: TextEncoder | None, announce: MessageCallback
) -> Summary:
    start = time.monotonic()
    source = _source(config)
    if config.append:
        if config.input is not None:
            download.ensure_input(config, source, announce)
        return append(config, source, announce=announce)
    output_folder.check_output(config.output, overwrite=config.overwrite, source=config.input)
    if config.input is not None:
        download.ensure_input(config, source, announce)
    with output_folder.new_folder(config.output) as folder:
        scratch = folder / "scratch"
        scratch.mkdir()
        store = ReviewStore(scratch, memory_bytes=config.memory_bytes, threads=config.threads)
        with contextlib.closing(store):
            encoder = encoder or configured_encoder(
                config, scratch, seed=config.seed, folder=folder
            )
            summary = _fill(folder, scratch, store, source, config, encoder, announce)
    return dataclasses.replace(summary, seconds=time.monotonic() - start)


def _fill(
    folder: Path,
    scratch: Path,
    store: ReviewStore,
    source: Source,
    config: PrepareSettings,
    encoder: TextEncoder | None,
    announce: MessageCallback,
) -> Summary:
    """Fills the folder, from the raw files to the manifest."""
    announce(f"reading {config.input or 'generated reviews'}")
    ingested = ingest(config, source, store)
    announce(f"filtering and splitting {ingested.n_read:,} rows")
    selection = select(
        store, ingested, scratch, k=config.k_core, drop_duplicate_text=config.drop_duplicate_text
    )
    # Split first: all that follows may learn from training reviews only.
    split_settings, split = split_reviews(store, selection, config)

    announce(f"writing {len(selection):,} reviews")
    metadata = source.items is not None and source.item_file(config) is not None
    encoders = [] if encoder is None else [encoder]
    filled = fill(folder, scratch, store, selection, split, encoders, announce, metadata=metadata)
    summary = summarize(
        filled,
        selection,
        split,
        ingested,
        config,
        name=config.name or config.output.resolve().name,
        policy=str(split_settings["policy"]),
        n_read=ingested.n_read,
        dropped=selection.dropped,
    )
    announce(f"writing {config.output}")
    source_settings = _source_settings(source, ingested, config)
    del selection, split
    shutil.rmtree(scratch)
    schema.Manifest(
        name=summary.name,
        n_users=summary.n_users,
        n_items=summary.n_items,
        n_reviews=summary.n_reviews,
        n_interactions=filled.n_interactions,
        k_core=config.k_core,
        split=split_settings,
        source=source_settings,
        dropped=summary.dropped,
        text_encoders=filled.text_encoders,
        files=writing.file_entries(folder),
        cleaning=_cleaning_settings(ingested, config),
        statistics={
            **statistics(summary, filled.n_words),
            BAD_ITEMS: ingested.n_bad_items,
        },
    ).write(folder)
    return summary


def _source(config: PrepareSettings) -> Source:
    if config.source not in SOURCES:
        known = ", ".join(SOURCES)
        raise ConfigError(f"--source is {config.source!r}, must be one of {known}")
    source = SOURCES[config.source]
    for name in FILTERS:
        if getattr(config, name) is not None and name not in source.settings:
            raise ConfigError(f"--{name} is given, but --source={source.name} has no use for it")
    return source


def _cleaning_settings(ingested: Ingested, config: PrepareSettings) -> dict[str, object]:
    return {
        "settings": {name: getattr(config, name) for name in _CLEANING},
        "changed_texts": ingested.changed_texts,
    }


def _source_settings(
    source: Source, ingested: Ingested, config: PrepareSettings
) -> dict[str, object]:
    # Names within the input, not whole paths: a folder must not depend on where it was made.
    root = config.input if config.input is not None and config.input.is_dir() else None
    files = [
        {"name": _name_within(path, root)} | schema.file_entry(path) for path in ingested.files
    ]
    return {"kind": config.source, "options": dict(source.options(config)), "files": files}


def _name_within(path: Path, root: Path | None) -> str:
    return str(path.relative_to(root)) if root and path.is_relative_to(root) else path.name
