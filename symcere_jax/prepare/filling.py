"""What every preparation writes once reviews are selected and split, and what it counts."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symcere_jax.callbacks import MessageCallback
from symcere_jax.data import schema
from symcere_jax.prepare.encode.encoding import encode
from symcere_jax.prepare.encode.stored_texts import TextWriter
from symcere_jax.prepare.read.ingesting import Ingested
from symcere_jax.prepare.read.store import ReviewStore
from symcere_jax.prepare.select.selection import Selection
from symcere_jax.prepare.select.split_policy import cold_counts
from symcere_jax.prepare.settings import PrepareSettings
from symcere_jax.prepare.write import writing
from symcere_jax.prepare.write.summary import Summary
from symcere_jax.text.encoders.base import TextEncoder

BAD_ITEMS = "bad_rows_of_item_metadata"  # among the statistics of the manifest


@dataclasses.dataclass(frozen=True)
class Filled:
    """What was written.

    Attributes:
        n_interactions: split -> reviews.
        n_words: of all texts.
        n_empty: reviews without text.
        text_encoders: as the manifest states them.
        n_unknown_items: items without title and categories; None where none were read.
    """

    n_interactions: Mapping[str, int]
    n_words: int
    n_empty: int
    text_encoders: Mapping[str, Any]
    n_unknown_items: int | None


def fill(
    folder: Path,
    scratch: Path,
    store: ReviewStore,
    selection: Selection,
    split: np.ndarray,
    encoders: Sequence[TextEncoder],
    announce: MessageCallback,
    *,
    metadata: bool,
) -> Filled:
    """Writes ids, pairs, reviews and text features.

    Args:
        folder: to fill.
        scratch: folder for what does not fit into memory.
        store: of the raw reviews; closed here, as what follows needs its memory.
        selection: the reviews.
        split: int8 `[n_reviews]`.
        encoders: of the texts, one after the other.
        announce: called with a few words at the start of each stage.
        metadata: whether items have titles and the like.
    """
    n_unknown_items = writing.write_ids(folder, store, selection, metadata=metadata)
    n_interactions = writing.write_pairs(folder, selection, split)
    text_encoders = {}
    with contextlib.ExitStack() as stack:
        texts = stack.enter_context(TextWriter(scratch / "texts")) if encoders else None
        counts = writing.write_reviews(folder / schema.REVIEWS, store, selection, split, texts)
        store.close()
        if texts is not None:
            opened = stack.enter_context(contextlib.closing(texts.open()))
            for encoder in encoders:
                announce(f"encoding {len(selection):,} texts by {encoder.name}")
                features = encode(opened, selection, split, encoder, announce)
                writing.write_features(folder, encoder.name, features)
                text_encoders[encoder.name] = features.described()
    return Filled(n_interactions, counts.n_words, counts.n_empty, text_encoders, n_unknown_items)


def summarize(
    filled: Filled,
    selection: Selection,
    split: np.ndarray,
    ingested: Ingested,
    config: PrepareSettings,
    *,
    name: str,
    policy: str,
    n_read: int,
    dropped: Mapping[str, int],
) -> Summary:
    """The counts of a preparation; its seconds are added at the end.

    Args:
        filled: what was written.
        selection: the reviews.
        split: int8 `[n_reviews]`.
        ingested: the raw data.
        config: the settings.
        name: of the data set.
        policy: of the split.
        n_read: raw rows, those of earlier data too.
        dropped: reason -> rows left out, likewise.
    """
    n_cold_users, n_cold_items = cold_counts(selection, split)
    return Summary(
        name=name,
        output=config.output,
        n_read=n_read,
        dropped=dropped,
        changed_texts=ingested.changed_texts,
        n_users=selection.n_users,
        n_items=selection.n_items,
        n_reviews=len(selection),
        n_interactions=filled.n_interactions,
        split=policy,
        n_empty_texts=filled.n_empty,
        words_per_review=filled.n_words / len(selection),
        n_cold_users=n_cold_users,
        n_cold_items=n_cold_items,
        n_bad_items=ingested.n_bad_items,
        n_unknown_items=filled.n_unknown_items,
        seconds=0.0,
    )


def statistics(summary: Summary, n_words: int) -> dict[str, int]:
    """What the manifest states of the counts.

    Args:
        summary: the counts.
        n_words: of all texts.
    """
    unknown = summary.n_unknown_items
    return {
        "raw_rows": summary.n_read,
        "words": n_words,
        "reviews_without_text": summary.n_empty_texts,
        "users_without_training_review": summary.n_cold_users,
        "items_without_training_review": summary.n_cold_items,
        **({} if unknown is None else {"items_without_metadata": unknown}),
    }
